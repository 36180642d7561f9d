/** Says on every page, in red, that the evidence does not agree; nothing while it does. */
import { useEffect } from 'preact/hooks';
import { useLive } from '../live.ts';
import { useResource } from '../resource.tsx';
import { hrefOf } from '../router.ts';
import { may, useSession } from '../session.ts';
import { Link } from './link.tsx';

/** What is put right leaves no event. */
const AGAIN_MS = 60_000;
/** The others are a number, and on the command line. */
const SHOWN = 3;

export function VerificationBanner() {
  const current = useSession();
  return may(current, 'evidence.read') ? <Banner /> : null;
}

function Banner() {
  const { client, workspace } = useSession();
  const { value: seen, reload } = useResource(() => client.evidence.verification(), [workspace]);
  useLive(reload, ({ type }) => /\.evidence\./.test(type));
  useEffect(() => {
    const timer = setInterval(reload, AGAIN_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const findings = seen?.findings ?? [];
  if (findings.length === 0 && !seen?.frozen) return null;
  const more = findings.length - SHOWN;
  return (
    <section class="notice bad verification" role="alert" aria-label="Verification of evidence">
      <p>
        <strong>The evidence of this workspace does not verify.</strong>{' '}
        {seen?.frozen && <>Its log takes no entry: {seen.frozen.detail}.</>}
      </p>
      <ul>
        {findings.slice(0, SHOWN).map(({ rule, seq, subject, message }) => (
          <li key={`${rule} ${seq ?? subject ?? ''}`}>
            {seq === undefined ? 'The log' : `Entry ${seq}`}: {message} <code>{rule}</code>
          </li>
        ))}
        {more > 0 && <li>and {more} more</li>}
      </ul>
      <p>
        <Link href={hrefOf(workspace, 'evidence')}>Look at the evidence</Link>, or ask{' '}
        <code>portarium evidence status</code>.
      </p>
    </section>
  );
}
