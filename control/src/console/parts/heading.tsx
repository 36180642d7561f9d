import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** The title of a page: of the window too, and where reading begins after a change of page. */
export function Heading(props: { readonly title: string; readonly aside?: ComponentChildren }) {
  const own = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · Portarium`;
    own.current?.focus({ preventScroll: true });
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
