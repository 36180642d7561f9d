/** How things stand, in a word and a colour; never by the colour alone. */
const TONES: Readonly<Record<string, string>> = {
  succeeded: 'good',
  granted: 'good',
  active: 'good',
  allowed: 'good',
  ok: 'good',
  approve: 'good',
  failed: 'bad',
  denied: 'bad',
  deny: 'bad',
  destructive: 'bad',
  'outcome-unknown': 'warn',
  'waiting-approval': 'warn',
  'pending-approval': 'warn',
  quarantined: 'bad',
  'waiting-manual': 'warn',
  'veto-window': 'warn',
  open: 'warn',
  write: 'warn',
  withheld: 'warn',
  running: 'busy',
  dispatched: 'busy',
  requested: 'busy',
};

export function Badge(props: { readonly of: string }) {
  return <span class={`badge ${TONES[props.of] ?? ''}`}>{props.of.replaceAll('-', ' ')}</span>;
}
