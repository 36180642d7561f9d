import { useState } from 'preact/hooks';
import { Failure } from '../resource.tsx';
import { may, useSession } from '../session.ts';
import type { Verified } from '../verify-in-browser.ts';

/** Where this browser keeps the key that it saw first, by workspace. */
const pinName = (workspace: string) => `portarium-pin-${workspace}`;

/** Fetches the proof and checks it here. @param action one action's proof; the whole log without */
export function VerifyPart({ action }: { readonly action?: string }) {
  const current = useSession();
  const { client, workspace } = current;
  const kept = localStorage.getItem(pinName(workspace)) ?? undefined;
  const [pin, setPin] = useState(kept ?? '');
  const [busy, setBusy] = useState(false);
  const [verified, setVerified] = useState<Verified>();
  const [error, setError] = useState<Error>();
  if (!may(current, 'evidence.export')) {
    return (
      <p class="quiet">
        A key of the role auditor or admin exports the proof; with it, anybody verifies it offline:{' '}
        <code>./portarium evidence verify FILE --pin KEY</code>.
      </p>
    );
  }
  const verify = async () => {
    setBusy(true);
    setError(undefined);
    setVerified(undefined);
    try {
      const { verifyInBrowser } = await import('../verify-in-browser.ts');
      const wanted = pin.trim();
      const done = await verifyInBrowser(client, {
        ...(action === undefined ? {} : { action }),
        ...(wanted === '' ? {} : { pin: wanted }),
      });
      localStorage.setItem(pinName(workspace), done.pin);
      setPin(done.pin);
      setVerified(done);
    } catch (caught) {
      setError(caught instanceof Error ? caught : new Error(String(caught)));
    }
    setBusy(false);
  };
  return (
    <div class="verify">
      <label>
        Verifier key to believe
        <input
          value={pin}
          placeholder="the one that this Control Plane names, until you have another"
          onInput={(event) => setPin(event.currentTarget.value)}
        />
      </label>
      <p class="quiet">
        {kept === undefined
          ? 'A key that came with the evidence proves only that it agrees with itself. Get one by another way, or keep this one: the browser remembers the first it saw.'
          : 'This browser keeps this key since it was believed first.'}
      </p>
      <button type="button" onClick={verify} disabled={busy}>
        {busy
          ? 'Verifying…'
          : `Verify ${action === undefined ? 'the whole log' : 'this action'} in this browser`}
      </button>
      {error && <Failure error={error} />}
      {verified && <Report verified={verified} name={action ?? workspace} />}
    </div>
  );
}

function Report({ verified, name }: { readonly verified: Verified; readonly name: string }) {
  const { report, bundle } = verified;
  const good = report.verdict === 'verified';
  return (
    <div class={`notice ${good ? 'good' : 'bad'}`} role="status">
      <p>
        <strong>{good ? 'Verified here' : `Not verified: ${report.verdict}`}</strong>
      </p>
      <dl class="facts">
        {factsOf(report).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {report.findings.map(({ rule, message, seq }) => (
        <p key={`${rule} ${seq} ${message}`}>
          <code>{rule}</code> {seq === undefined ? '' : `entry ${seq}: `}
          {message}
        </p>
      ))}
      <button
        type="button"
        onClick={() => {
          const url = URL.createObjectURL(new Blob([bundle], { type: 'application/x-tar' }));
          const link = document.createElement('a');
          link.href = url;
          link.download = `${name}-evidence.tar`;
          link.click();
          URL.revokeObjectURL(url);
        }}
      >
        Save the bundle
      </button>
    </div>
  );
}

function factsOf(report: Verified['report']): (readonly [string, string])[] {
  const { entries, actions, checkpoint, signedBy, artifacts, modules } = report;
  return [
    ['Entries', String(entries)],
    ['Actions', String(actions)],
    [
      'Artifacts',
      `${artifacts.included} here, ${artifacts.omitted} left out, ${artifacts.disposed} disposed of`,
    ],
    ['Modules', String(modules)],
    ...(checkpoint
      ? [['Checkpoint', `${checkpoint.origin}, ${checkpoint.size} entries`] as const]
      : []),
    ...(signedBy === undefined ? [] : [['Signed by', signedBy] as const]),
  ];
}
