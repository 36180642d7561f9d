import type { ComponentChildren } from 'preact';

/** Text as it is. It may be long: it scrolls, and has to be reached by keyboard for that. */
export function Code(props: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <section class="code" aria-label={props.label} tabIndex={0}>
      <pre>{props.children}</pre>
    </section>
  );
}
