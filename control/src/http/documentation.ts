/** `/openapi.json`, and `/docs/api`, the same for people: no script, nothing from elsewhere. */
import { createHash } from 'node:crypto';
import { html, raw } from 'hono/html';
import type { Api } from './api.ts';
import document from './openapi.json' with { type: 'json' };

interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly example?: unknown }>>;
  };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
article { margin: 1.5rem 0; }
h3 { font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
code, pre { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .375rem; }
dt { font-weight: 600; }
dd { margin: 0 0 .25rem 1rem; }
`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export const DOCUMENT_CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export function documentationRoutes(app: Api): void {
  // Made when somebody asks: no start waits for them.
  let text: string | undefined;
  let page: Promise<string> | undefined;
  app.get('/openapi.json', (exchange) => {
    text ??= JSON.stringify(document);
    const headers = { 'content-type': 'application/json', 'cache-control': 'no-cache' };
    return exchange.body(text, 200, headers);
  });
  app.get('/docs/api', async (exchange) => {
    exchange.header('content-security-policy', DOCUMENT_CSP);
    page ??= apiPage();
    return exchange.html(await page);
  });
}

/** Every operation, by its tag. */
async function apiPage(): Promise<string> {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ path, method, one: one as Described })),
  );
  const sections = document.tags.map(({ name, description }) => {
    const own = operations.filter(({ one }) => one.tags.includes(name));
    return html`<h2 id="${name}">${name}</h2>
<p>${description}</p>
${own.map(({ path, method, one }) => operationPart(method, path, one))}`;
  });
  return String(
    await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portarium API</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<h1>Portarium API ${document.info.version}</h1>
<p>${document.info.description} <a href="/openapi.json">OpenAPI 3.1</a></p>
<nav><ul>${document.tags.map(({ name }) => html`<li><a href="#${name}">${name}</a></li>`)}</ul></nav>
${sections}
</body>
</html>
`,
  );
}

function operationPart(method: string, path: string, one: Described) {
  const { operationId, summary, description, parameters, requestBody, responses } = one;
  const [[mediaType, body] = [undefined, undefined]] = Object.entries(requestBody?.content ?? {});
  return html`<article id="${operationId}">
<h3>${method.toUpperCase()} ${path}</h3>
<p>${summary}. ${description}</p>
${parameters.length === 0 ? '' : html`<p>Parameters: ${parameters.map((parameter) => html`<code>${parameter.name}</code> (${parameter.in}) `)}</p>`}
${body === undefined ? '' : html`<p>Body: <code>${mediaType}</code></p>`}
${body?.example === undefined ? '' : html`<pre>${JSON.stringify(body.example, null, 2)}</pre>`}
<dl>${Object.entries(responses).map(([status, answer]) => html`<dt>${status}</dt><dd>${answer.description.replaceAll('`', '')}</dd>`)}</dl>
</article>`;
}
