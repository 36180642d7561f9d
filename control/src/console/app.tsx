/** The frame of the console: who is signed in, where one can go, and the page that is shown. */
import { useEffect } from 'preact/hooks';
import { connection } from './live.ts';
import { ActionPage } from './pages/action-page.tsx';
import { ActionsPage } from './pages/actions-page.tsx';
import { ApprovalsPage } from './pages/approvals-page.tsx';
import { EvidencePage } from './pages/evidence-page.tsx';
import { Overview } from './pages/overview.tsx';
import { PluginPage } from './pages/plugin-page.tsx';
import { PluginsPage } from './pages/plugins-page.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { Heading } from './parts/heading.tsx';
import { Link } from './parts/link.tsx';
import { VerificationBanner } from './parts/verification-banner.tsx';
import { address, hrefOf, navigate, type Place, placeOf } from './router.ts';
import { may, type Session, session, signOut } from './session.ts';

/** Pages by the word in the address, with what one has to be permitted. */
const PAGES = [
  ['', 'Overview', 'workspace.read'],
  ['actions', 'Actions', 'action.read'],
  ['approvals', 'Approvals', 'approval.read'],
  ['plugins', 'Plugins', 'plugin.read'],
  ['evidence', 'Evidence', 'evidence.read'],
] as const;

export function App() {
  const current = session.value;
  const place = placeOf(address.value);
  useEffect(() => {
    if (current && place.workspace === undefined) {
      navigate(hrefOf(current.workspace), { replace: true });
    }
  }, [current, place.workspace]);
  if (!current) return <SignIn />;
  if (place.workspace !== undefined && place.workspace !== current.workspace) {
    return <SignIn wanted={place.workspace} />;
  }
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Side session={current} place={place} />
      <main id="main">
        <VerificationBanner />
        <Page session={current} place={place} />
      </main>
    </>
  );
}

function Side(props: { readonly session: Session; readonly place: Place }) {
  const { session: current, place } = props;
  const { caller, workspace } = current;
  return (
    <header class="side">
      <p class="brand">
        <Link href={hrefOf(workspace)}>Portarium</Link>
      </p>
      <nav aria-label="Pages">
        <ul>
          {PAGES.filter(([, , permission]) => may(current, permission)).map(([page, title]) => (
            <li key={page}>
              <Link href={hrefOf(workspace, page)} current={place.page === page}>
                {title}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div class="who">
        <p>
          <strong>{workspace}</strong>
          <span class={`dot ${connection.value}`} aria-hidden="true" />
          <span class="quiet" role="status">
            {connection.value}
          </span>
        </p>
        <p class="quiet">
          {caller.owner}, {caller.role}
        </p>
        <button type="button" class="plain" onClick={() => signOut()}>
          Sign out
        </button>
      </div>
    </header>
  );
}

function Page({ place: { page, item } }: { readonly session: Session; readonly place: Place }) {
  switch (page) {
    case '':
      return <Overview />;
    case 'actions':
      return item === undefined ? <ActionsPage /> : <ActionPage key={item} id={item} />;
    case 'approvals':
      return <ApprovalsPage chosen={item} />;
    case 'plugins':
      return item === undefined ? <PluginsPage /> : <PluginPage key={item} name={item} />;
    case 'evidence':
      return <EvidencePage />;
    default:
      return <Heading title="There is no such page" />;
  }
}
