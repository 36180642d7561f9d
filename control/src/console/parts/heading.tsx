import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Whether a page was shown before: on the first one, reading begins at the top. */
let moved = false;

/** The title of a page: of the window too, and where reading begins after a change of page. */
export function Heading(props: { readonly title: string; readonly aside?: ComponentChildren }) {
  const own = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · Portarium`;
    if (moved) own.current?.focus({ preventScroll: true });
    moved = true;
  }, [props.title]);
  return (
    <header class="heading">
      <h1 tabIndex={-1} ref={own}>
        {props.title}
      </h1>
      {props.aside}
    </header>
  );
}
