import { useState } from 'preact/hooks';

/** A rationale, and buttons that need one. */
export function Reason(props: {
  readonly label: string;
  /** Value and words of each button. */
  readonly choices: readonly (readonly [string, string])[];
  readonly onChoose: (choice: string, rationale: string) => Promise<void>;
}) {
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const choose = async (choice: string) => {
    setBusy(true);
    await props.onChoose(choice, text.trim());
    setBusy(false);
  };
  return (
    <div class="reason">
      <label>
        {props.label}
        <textarea
          rows={2}
          maxLength={2_000}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p class="buttons">
        {props.choices.map(([choice, words]) => (
          <button
            type="button"
            key={choice}
            disabled={busy || text.trim() === ''}
            onClick={() => choose(choice)}
          >
            {words}
          </button>
        ))}
      </p>
    </div>
  );
}
