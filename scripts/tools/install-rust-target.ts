/** Gives the author's Rust the target that plugins are compiled to, where there is a rustup to ask. */
export function installRustTarget(): void {
  if (Bun.which('rustup') === null) return;
  const add = ['rustup', 'target', 'add', 'wasm32-unknown-unknown'];
  const { exitCode, stderr } = Bun.spawnSync(add, { stdout: 'ignore', stderr: 'pipe' });
  if (exitCode !== 0) console.error(`${add.join(' ')} failed: ${stderr.toString().trim()}`);
}
