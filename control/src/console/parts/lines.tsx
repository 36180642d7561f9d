import { Code } from './code.tsx';

/** Lines of a difference: what begins with `+ ` is new, with `- ` gone. */
export function Lines(props: { readonly lines: readonly string[]; readonly label: string }) {
  return (
    <Code label={props.label}>
      {props.lines.map((line, i) => {
        const text = `${line}\n`;
        if (line.startsWith('+ ')) return <ins key={i}>{text}</ins>;
        return line.startsWith('- ') ? <del key={i}>{text}</del> : text;
      })}
    </Code>
  );
}
