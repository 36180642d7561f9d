/** What callers on other machines get: the public API, and word that it is to be asked over TLS only. */
import { problemResponse } from './problems.ts';

/** Two years, as browsers' lists ask for. */
const STRICT_TRANSPORT = 'max-age=63072000';

/** @param overTls whether this process itself ended TLS */
export async function serveOutside(
  request: Request,
  serve: (request: Request) => Response | Promise<Response>,
  overTls: boolean,
): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (/^\/+internal(\/|$)/i.test(decoded(pathname))) {
    const detail = `There is nothing at ${pathname}.`;
    return problemResponse({ code: 'not-found', detail }, crypto.randomUUID().replaceAll('-', ''));
  }
  const response = await serve(request);
  if (overTls) response.headers.set('strict-transport-security', STRICT_TRANSPORT);
  return response;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
