import { visibleLine } from '@portarium/client/visible-text';
import { useLive } from '../live.ts';
import { Code } from '../parts/code.tsx';
import { Heading } from '../parts/heading.tsx';
import { Link } from '../parts/link.tsx';
import { Table } from '../parts/table.tsx';
import { Time } from '../parts/time.tsx';
import { VerifyPart } from '../parts/verify-part.tsx';
import { Loaded, useResource } from '../resource.tsx';
import { address, hrefOf, VERIFY_PATH, withQuery } from '../router.ts';
import { useSession } from '../session.ts';

const PAGE = 50;

/** The log, newest entries first; its signed head; and a check of all of it in this browser. */
export function EvidencePage() {
  const { client, workspace } = useSession();
  const asked = address.value.searchParams.get('before');
  const found = useResource(async () => {
    const checkpoint = await client.evidence.checkpoint();
    const size = Number(checkpoint.split('\n')[1] ?? 0);
    const before = asked === null ? size : Math.min(Number(asked), size);
    const after = Math.max(-1, before - PAGE - 1);
    const { items } = await client.evidence.page({ after, limit: before - after - 1 || 1 });
    return { checkpoint, size, before, after, items: items.toReversed() };
  }, [asked]);
  useLive(
    () => asked === null && found.reload(),
    () => true,
  );
  return (
    <>
      <Heading title="Evidence" />
      <section>
        <h2>Verify</h2>
        <VerifyPart />
        <p class="quiet">
          A bundle that you have as a file is checked on <a href={VERIFY_PATH}>a page of its own</a>
          .
        </p>
      </section>
      <Loaded from={found}>
        {({ checkpoint, before, size, after, items }) => (
          <>
            <section>
              <h2>Entries</h2>
              <Table heads={['Entry', 'What', 'About', 'By', 'When', 'Hash']}>
                {items.map(({ seq, hash, entry }) => (
                  <tr key={seq}>
                    <td>{seq}</td>
                    <td>{entry.type}</td>
                    <td>
                      {entry.subject.action ? (
                        <Link href={hrefOf(workspace, 'actions', entry.subject.action)}>
                          <code>{entry.subject.action.slice(0, 16)}…</code>
                        </Link>
                      ) : (
                        visibleLine(Object.keys(entry.subject).join(', ') || 'the workspace')
                      )}
                    </td>
                    <td>{entry.actor.kind}</td>
                    <td>
                      <Time at={entry.time} />
                    </td>
                    <td>
                      <code title={hash}>{hash.slice(7, 19)}</code>
                    </td>
                  </tr>
                ))}
              </Table>
              <nav class="pager" aria-label="Pages of the log">
                {before < size && <Link href={withQuery({ before: undefined })}>Newest</Link>}
                {after >= 0 && <Link href={withQuery({ before: String(after + 1) })}>Older</Link>}
              </nav>
            </section>
            <section>
              <h2>Signed checkpoint</h2>
              <Code label="Signed checkpoint">{checkpoint}</Code>
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}
