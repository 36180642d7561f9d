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

/**
 * The gRPC status that 127.0.0.1:`port` answers with; `0` when it serves the namespace. `undefined`
 * without an answer. Never rejects.
 */
export function probeTemporal(
  port: number,
  namespace = 'default',
  timeoutMs = 2_000,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let session: ClientHttp2Session | undefined;
    let done = false;
    const finish = (status?: string): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      session?.destroy();
      resolve(status);
    };
    const timer = setTimeout(() => finish(), timeoutMs);
    session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => finish());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => finish());
    // Failures come as headers only, successes as trailers.
    stream.on('response', (headers) => {
      const status = headers['grpc-status'];
      if (status !== undefined && status !== '0') finish(String(status));
    });
    stream.on('trailers', (trailers) => finish(String(trailers['grpc-status'])));
    stream.on('close', () => finish());
    stream.resume();
    stream.end(describeNamespaceFrame(namespace));
  });
}
