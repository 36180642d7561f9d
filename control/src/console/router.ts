/** Addresses of the console: `/console/{workspace}/{page}`, with filters in the query. */
import { signal } from '@preact/signals';

/** The address as it is now. */
export const address = signal(new URL(location.href));

addEventListener('popstate', () => {
  address.value = new URL(location.href);
});

/** Goes to an address of this console without loading it anew. */
export function navigate(href: string, options: { readonly replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  const before = address.value.pathname;
  address.value = new URL(location.href);
  if (address.value.pathname !== before) scrollTo(0, 0);
}

export interface Place {
  readonly workspace: string | undefined;
  /** `actions`, …; empty for the overview. */
  readonly page: string;
  /** What the page is about, such as an action's id. */
  readonly item: string | undefined;
}

export function placeOf({ pathname }: URL): Place {
  const [, , workspace, page = '', item] = pathname.split('/').map(decoded);
  return { workspace: workspace || undefined, page, item: item || undefined };
}

/** Where anybody verifies a bundle; no workspace has a name that begins so. */
export const VERIFY_PATH = '/console/_verify';

export function isVerifyPage(pathname: string): boolean {
  return pathname === VERIFY_PATH;
}

/** What is not encoded as it should be stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function hrefOf(workspace: string, page = '', item?: string): string {
  const parts = ['/console', workspace, page, item].filter((part) => part !== undefined && part);
  return parts.map((part, i) => (i === 0 ? part : encodeURIComponent(part ?? ''))).join('/');
}

/** The address with these parameters of the query; an empty one is left out. */
export function withQuery(changes: Readonly<Record<string, string | undefined>>): string {
  const url = new URL(address.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return `${url.pathname}${url.search}`;
}
