import { visibleText } from '@portarium/client/visible-text';
import { Code } from './code.tsx';

/** JSON as it is, with what would not show made visible. Plugins wrote it: it is text, never markup. */
export function JsonView(props: { readonly value: unknown; readonly label: string }) {
  return <Code label={props.label}>{visibleText(JSON.stringify(props.value, null, 2) ?? '')}</Code>;
}
