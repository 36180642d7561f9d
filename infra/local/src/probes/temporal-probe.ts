/**
 * Asks Temporal for its namespace over plain gRPC: only a frontend that serves answers that. Written
 * by hand because loading a gRPC client costs more than the whole start of the other parts.
 */
import { type ClientHttp2Session, connect } from 'node:http2';

/** Protobuf of DescribeNamespaceRequest {1: namespace}, in a gRPC frame (length-prefixed message). */
function describeNamespaceFrame(namespace: string): Buffer {
  const name = Buffer.from(namespace, 'utf8');
  const message = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** Whether the namespace is served on 127.0.0.1:`port`. Never rejects. */
export function probeTemporal(
  port: number,
  namespace = 'default',
  timeoutMs = 2_000,
): Promise<boolean> {
  return new Promise((resolve) => {
    let session: ClientHttp2Session | undefined;
    let done = false;
    const finish = (ready: boolean): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      session?.destroy();
      resolve(ready);
    };
    const timer = setTimeout(() => finish(false), timeoutMs);
    session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => finish(false));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => finish(false));
    // Failures come as headers only, successes as trailers.
    stream.on('response', (headers) => {
      const status = headers['grpc-status'];
      if (status !== undefined && status !== '0') finish(false);
    });
    stream.on('trailers', (trailers) => finish(String(trailers['grpc-status']) === '0'));
    stream.on('close', () => finish(false));
    stream.resume();
    stream.end(describeNamespaceFrame(namespace));
  });
}
