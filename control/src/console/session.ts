/** Who is signed in. The key stays in this tab: it is kept for reloads and goes with the tab. */
import type { Caller } from '@portarium/client/answers';
import { PortariumClient } from '@portarium/client/portarium-client';
import { signal } from '@preact/signals';

export interface Session {
  readonly client: PortariumClient;
  readonly caller: Caller;
  readonly workspace: string;
}

export const session = signal<Session | undefined>(undefined);
/** Why nobody is signed in any more, or could not be. */
export const signInProblem = signal<string | undefined>(undefined);

const KEPT = 'portarium';

interface Kept {
  readonly key: string;
  readonly workspace: string;
}

/** What a link (`#key=…&workspace=…`) brought, or an earlier page of this tab kept. */
export function keptSession(): Kept | undefined {
  const brought = new URLSearchParams(location.hash.slice(1));
  const key = brought.get('key');
  if (key !== null) {
    // Gone from the address before anything else happens: nobody copies it by accident.
    history.replaceState(null, '', location.pathname + location.search);
    return { key, workspace: brought.get('workspace') ?? 'local' };
  }
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** @returns whether the key was taken; why not is in {@link signInProblem} */
export async function signIn({ key, workspace }: Kept): Promise<boolean> {
  const client = new PortariumClient({ url: location.origin, key, workspace });
  try {
    const caller = await client.caller();
    sessionStorage.setItem(KEPT, JSON.stringify({ key, workspace }));
    signInProblem.value = undefined;
    session.value = { client, caller, workspace };
    return true;
  } catch (error) {
    signInProblem.value = error instanceof Error ? error.message : String(error);
    return false;
  }
}

export function signOut(why?: string): void {
  sessionStorage.removeItem(KEPT);
  session.value = undefined;
  signInProblem.value = why;
}

/** Of the one who is signed in; pages are shown to nobody else. */
export function useSession(): Session {
  const { value } = session;
  if (!value) throw new Error('nobody is signed in');
  return value;
}

export function may({ caller }: Session, permission: string): boolean {
  return caller.permissions.includes(permission);
}
