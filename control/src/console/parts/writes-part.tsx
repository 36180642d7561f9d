import type { WithheldWrite } from '@portarium/client/approval-answers';
import { visibleLine, visibleText } from '@portarium/client/visible-text';
import { shownRule } from '@portarium/contracts/egress-rule';
import { Code } from './code.tsx';

/** What a dry run would have sent; every word of it is a plugin’s. */
export function WritesPart({
  state,
  writes,
}: {
  /** Of the dry run. */
  readonly state: string;
  readonly writes: readonly WithheldWrite[];
}) {
  if (writes.length === 0) {
    return (
      <p>
        {state === 'succeeded'
          ? 'It would send no write.'
          : 'No write was recorded: it has not come that far.'}
      </p>
    );
  }
  return (
    <ul class="calls">
      {writes.map((write) => (
        <Write key={write.call} write={write} />
      ))}
    </ul>
  );
}

function Write({ write }: { readonly write: WithheldWrite }) {
  const { call, rule, method, url, headers, credential, slot, body, status } = write;
  return (
    <li>
      <p>
        <span class="method">{method}</span> <code>{visibleLine(url)}</code>
      </p>
      <p class="quiet">
        {[
          ...(rule === undefined ? [] : [`rule ${shownRule(rule)}`]),
          credential === undefined
            ? 'no credential'
            : `with credential ${slot ?? ''} (${credential})`,
          ...headers.map(([name, value]) => visibleLine(`${name}: ${value}`)),
          status === undefined ? 'no example answers it' : `answered by an example with ${status}`,
        ].join(' · ')}
      </p>
      {body && (
        <Code
          label={`Body of call ${call}, ${body.bytes} bytes${body.text === undefined ? ' as base64' : ''}${body.cut ? ', the first of them' : ''}`}
        >
          {body.text === undefined ? body.base64 : visibleText(body.text)}
        </Code>
      )}
    </li>
  );
}
