/**
 * The web console: static files that were built ahead, read once at the start. Every page is the same
 * document; what it shows, it reads from the API with the key of whoever looks. Nothing here knows a key.
 */
import type { Api, Exchange } from './api.ts';
import { refuse } from './problems.ts';

/** One file as it is sent. */
export interface ConsoleFile {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed (RFC 7932); absent where that saves nothing. */
  readonly brotli?: Uint8Array<ArrayBuffer>;
}

/** Files by name; `index.html` among them. */
export type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/** Nothing inline, nothing from elsewhere, and no text becomes markup or code. */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const YEAR_SECONDS = 365 * 24 * 60 * 60;

/** @param files undefined when none were built for this process */
export function consoleRoutes(app: Api, files: ConsoleFiles | undefined): void {
  app.get('/', (exchange) => exchange.redirect('/console', 302));
  app.get('/console/assets/:name', (exchange) => {
    const file = files?.get(exchange.req.param('name'));
    if (!file) return refuse('not-found', 'The console has no such file.');
    return send(exchange, file, `public, max-age=${YEAR_SECONDS}, immutable`);
  });
  const page = (exchange: Exchange) => {
    const index = files?.get('index.html');
    if (!index) {
      return refuse(
        'not-found',
        'No console was built for this Control Plane (PORTARIUM_CONSOLE_DIR).',
      );
    }
    exchange.header('content-security-policy', CONSOLE_CSP);
    exchange.header('cross-origin-opener-policy', 'same-origin');
    exchange.header('referrer-policy', 'no-referrer');
    return send(exchange, index, 'no-cache');
  };
  app.get('/console', page);
  app.get('/console/*', page);
}

function send(exchange: Exchange, file: ConsoleFile, caching: string): Response {
  const brotli = /\bbr\b/.test(exchange.req.header('accept-encoding') ?? '')
    ? file.brotli
    : undefined;
  exchange.header('content-type', file.type);
  exchange.header('cache-control', caching);
  exchange.header('vary', 'accept-encoding');
  if (brotli) exchange.header('content-encoding', 'br');
  return exchange.body(brotli ?? file.bytes);
}
