/**
 * What a sandbox host does about uploads, inside the test process: real cells, the host's own code, and
 * the internal API over HTTP. Only Temporal stands not between; tests on a whole stack go through it.
 */
import type { CandidateDispatch } from '@portarium/contracts/internal-api';
import { CandidateRunner } from '../../../sandbox/src/host/candidate-runner.ts';
import { prepareCellProgram } from '../../../sandbox/src/host/cell-program.ts';
import { ControlClient } from '../../../sandbox/src/host/control-client.ts';
import type { Api } from '../http/api.ts';
import { listen } from '../listen.ts';

interface Started {
  readonly runner: CandidateRunner;
  stop(): Promise<void>;
}

/** Starts with the first upload. */
export class ModuleHost {
  readonly #app: () => { readonly app: Api; readonly hostKey: string };
  #started: Promise<Started> | undefined;

  constructor(app: () => { readonly app: Api; readonly hostKey: string }) {
    this.#app = app;
  }

  /** Returns at once, as a start of a workflow does. */
  async admit(dispatch: CandidateDispatch): Promise<void> {
    this.#started ??= this.#start();
    this.#started
      .then(({ runner }) => runner.run(dispatch))
      .then(
        (end) => end.end === 'again' && console.error(`the module was not tried: ${end.reason}`),
      );
  }

  async stop(): Promise<void> {
    await (await this.#started)?.stop();
  }

  async #start(): Promise<Started> {
    const { app, hostKey } = this.#app();
    const server = await listen(app.fetch, { hostname: '127.0.0.1', port: 0 });
    const program = await prepareCellProgram(process.env.PATH ?? '');
    const control = new ControlClient({ url: `http://127.0.0.1:${server.port}`, hostKey });
    const about = { isolation: 'process', engine: 'test', waiting: 64 } as const;
    const runner = new CandidateRunner({ control, program, ...about });
    return {
      runner,
      async stop() {
        await Promise.all([runner.close(), server.stop()]);
        await program.remove();
      },
    };
  }
}
