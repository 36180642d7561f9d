import { useState } from 'preact/hooks';
import { Heading } from '../parts/heading.tsx';
import { VERIFY_PATH } from '../router.ts';
import { signIn, signInProblem } from '../session.ts';

/** Asks for a key. @param wanted the workspace of the address, when it is another than one's own */
export function SignIn(props: { readonly wanted?: string }) {
  const [key, setKey] = useState('');
  const [workspace, setWorkspace] = useState(props.wanted ?? 'local');
  const [busy, setBusy] = useState(false);
  return (
    <main class="sign-in">
      <Heading title="Sign in" />
      <p class="quiet">
        With an API key. It stays in this tab and is forgotten with it. On your own machine,{' '}
        <code>./portarium console</code> prints a link that signs you in.
      </p>
      {signInProblem.value !== undefined && (
        <p class="notice bad" role="alert">
          {signInProblem.value}
        </p>
      )}
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          setBusy(true);
          await signIn({ key: key.trim(), workspace: workspace.trim() });
          setBusy(false);
        }}
      >
        <label>
          Key
          <input
            type="password"
            autocomplete="off"
            required
            placeholder="ptk_…"
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <label>
          Workspace
          <input
            required
            value={workspace}
            onInput={(event) => setWorkspace(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="main" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <p class="quiet">
        <a href={VERIFY_PATH}>Verify a bundle of evidence</a> needs no key.
      </p>
    </main>
  );
}
