import { visibleLine } from '@portarium/client/visible-text';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { VerifyReport } from '@portarium/contracts/verify-report';
import { useState } from 'preact/hooks';
import { Heading } from '../parts/heading.tsx';
import { Report } from '../parts/report.tsx';

/** Lets the page be painted in between. */
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
/** Stories that the page tells. */
const STORIES = 50;

interface Given {
  readonly pin: string;
  readonly since: string;
  readonly publishers: string;
}

/** The lines of a text that say something. */
const linesOf = (text: string) => text.split('\n').flatMap((line) => line.trim() || []);

async function verifyFile(file: File, { pin, since, publishers }: Given): Promise<VerifyReport> {
  const bundle = new Uint8Array(await file.arrayBuffer());
  // One empty line stands between text and signatures of a checkpoint, and one line end at its end.
  const note = since.replaceAll('\r\n', '\n').trim();
  const keys = linesOf(publishers);
  return verifyBundle(bundle, {
    ...{ pause, stories: STORIES },
    ...(pin.trim() === '' ? {} : { pin: linesOf(pin)[0] }),
    ...(note === '' ? {} : { since: `${note}\n` }),
    ...(keys.length === 0 ? {} : { publishers: keys }),
  });
}

const hintsFor = ({ since, publishers }: Given) => ({
  since: since.trim() === '' ? 'give a checkpoint that you kept' : undefined,
  publishers:
    linesOf(publishers).length === 0 ? 'give the keys of those whom you believe' : undefined,
});

/**
 * Verifies a bundle that somebody drops here. It needs no key and no Control Plane: once this page is there, it
 * asks for nothing more, and what is dropped stays in the browser.
 */
export function VerifyPage() {
  const [given, setGiven] = useState<Given>({ pin: '', since: '', publishers: '' });
  const [file, setFile] = useState<File>();
  const [over, setOver] = useState(false);
  const [busy, setBusy] = useState(false);
  const [report, setReport] = useState<VerifyReport>();
  const [problem, setProblem] = useState<string>();
  const verify = async (chosen: File | undefined) => {
    if (!chosen) return;
    setFile(chosen);
    setBusy(true);
    setReport(undefined);
    setProblem(undefined);
    try {
      setReport(await verifyFile(chosen, given));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  const field = (name: keyof Given) => ({
    value: given[name],
    spellcheck: false,
    onInput: (event: { readonly currentTarget: { readonly value: string } }) =>
      setGiven({ ...given, [name]: event.currentTarget.value }),
  });
  return (
    <main class="verify-page">
      <Heading title="Verify a bundle" />
      <p>
        Drop a bundle that <code>portarium evidence export</code> wrote. It is checked in this page:
        nothing is sent anywhere, and no key of this server is believed.
      </p>
      <label>
        Verifier key to believe
        <input
          {...field('pin')}
          placeholder="name+hash+base64, got by another way than the bundle"
        />
      </label>
      <details>
        <summary>More to compare with</summary>
        <label>
          A checkpoint that you kept from before
          <textarea {...field('since')} rows={5} />
        </label>
        <label>
          Keys of publishers whose plugins you believe, one a line
          <textarea {...field('publishers')} rows={3} />
        </label>
      </details>
      <label
        class={over ? 'drop over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          verify(event.dataTransfer?.files[0]);
        }}
      >
        {file ? visibleLine(file.name) : 'Drop the bundle here, or choose it'}
        <input
          type="file"
          accept=".tar,application/x-tar"
          onChange={(event) => verify(event.currentTarget.files?.[0])}
        />
      </label>
      <button type="button" disabled={busy || !file} onClick={() => verify(file)}>
        {busy ? 'Verifying…' : 'Verify again'}
      </button>
      {problem !== undefined && (
        <p class="notice bad" role="alert">
          The file can not be read: {visibleLine(problem)}
        </p>
      )}
      {report && <Report report={report} hints={hintsFor(given)} />}
    </main>
  );
}
