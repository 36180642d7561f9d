/** The console's entry: signs in with what a link or this tab brought, then shows pages. */
import { render } from 'preact';
import { App } from './app.tsx';
import { isVerifyPage } from './router.ts';
import { keptSession, signIn } from './session.ts';

if (isVerifyPage(location.pathname)) {
  // Needs nobody who is signed in, and asks this server for nothing.
  const { VerifyPage } = await import('./pages/verify-page.tsx');
  render(<VerifyPage />, document.body);
} else {
  const kept = keptSession();
  if (kept) await signIn(kept);
  render(<App />, document.body);
}
