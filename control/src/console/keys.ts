import { useEffect } from 'preact/hooks';

/**
 * Keys of a page; never while somebody types.
 * @param press says whether it took the key, which then does nothing else
 */
export function useKeys(press: (key: string) => boolean): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event;
      const typing =
        target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (typing || event.metaKey || event.ctrlKey || event.altKey) return;
      if (press(event.key)) event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
}
