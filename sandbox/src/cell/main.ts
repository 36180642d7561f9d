/**
 * A cell: one process that runs one module of one workspace, a fresh instance for each attempt.
 * It holds no credential and has no network; everything it needs comes through its pipes.
 */
import './any-url.ts';
import { plainText } from '@portarium/contracts/plain-text';
import { confineAsAsked } from '../isolation/confine.ts';
import { MemoryTooLarge } from './bound-module.ts';
import type { FailedRequest, GuestHost, GuestResponse, GuestResult, ReadyGuest } from './engine.ts';
import { type CompiledGuest, extismEngine } from './extism-engine.ts';
import { LogBudget } from './log-budget.ts';
import type { CellLimits, CellMessage, HostMessage } from './messages.ts';
import { MAX_ERROR_CHARACTERS } from './messages.ts';
import { outgoingRequest } from './outgoing-request.ts';
import { HostPipe } from './pipe.ts';
import { tryInstance } from './try-instance.ts';

const pipe = new HostPipe();
const say = (message: CellMessage, body?: Uint8Array) => pipe.write(message, body);

function hear(): { readonly message: HostMessage; readonly body: Uint8Array } {
  const frame = pipe.read();
  if (!frame) process.exit(0);
  return { message: frame.head as HostMessage, body: frame.body };
}

function guestHost(logs: LogBudget, limits: CellLimits): GuestHost {
  return {
    log(level, message) {
      const line = logs.take(level, message);
      if (line) say({ type: 'log', ...line });
    },
    request(asked): GuestResponse | FailedRequest {
      const { message, body } = outgoingRequest(asked, limits.egressBytesOut);
      say(message, body);
      const answer = hear();
      if (answer.message.type === 'response') {
        const { status, headers, ms } = answer.message;
        return { status, headers, body: answer.body, ms };
      }
      if (answer.message.type === 'response-failed') {
        return { failed: answer.message.reason, ms: answer.message.ms };
      }
      throw new Error(`expected a response, got ${answer.message.type}`);
    },
  };
}

async function bind<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    const loaded = await load();
    say({ type: 'bound' });
    return loaded;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof MemoryTooLarge ? 'limit.memory' : 'module.invalid';
    say({ type: 'refused', code, message: plainText(message, MAX_ERROR_CHARACTERS) });
    return undefined;
  }
}

function tell(result: GuestResult): void {
  const { hostCalls } = result;
  if (result.ok) say({ type: 'result', hostCalls }, result.output);
  else {
    const error = { code: result.code, message: result.message };
    say({ type: 'result', hostCalls, error });
  }
}

async function serve(): Promise<void> {
  await confineAsAsked(process.argv.slice(2));
  say({ type: 'ready' });
  let compiled: CompiledGuest | undefined;
  let next: ReadyGuest | undefined;
  for (;;) {
    const { message, body } = hear();
    if (message.type === 'bind' && compiled === undefined) {
      compiled = await bind(() => extismEngine.compile(body, message.memoryMiB));
    } else if (message.type === 'try' && compiled !== undefined) {
      const { module } = compiled;
      await bind(() => tryInstance(module));
    } else if (message.type === 'run' && compiled !== undefined) {
      const guest = next ?? (await extismEngine.instantiate(compiled));
      const host = guestHost(new LogBudget(message.limits), message.limits);
      const { type: _, ...order } = message;
      tell(await guest.call({ ...order, input: body, host }));
      // While the host is busy with the answer, so that the next attempt only calls.
      next = await extismEngine.instantiate(compiled);
    } else {
      throw new Error(`unexpected ${message.type}`);
    }
  }
}

await serve();
