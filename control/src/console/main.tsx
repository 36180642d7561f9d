/** The console's entry: signs in with what a link or this tab brought, then shows pages. */
import { render } from 'preact';
import { App } from './app.tsx';
import { keptSession, signIn } from './session.ts';

const kept = keptSession();
if (kept) await signIn(kept);
render(<App />, document.body);
