/** Thrown through the guest, which can not catch it, when it calls `proc_exit`. */
export class WasiExit extends Error {
  override readonly name = 'WasiExit';
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the plugin exited with code ${exitCode}`);
    this.exitCode = exitCode;
  }
}
