// HTTP for plugins. Every call passes the egress broker: what the manifest's rules do not name
// never leaves, and a denied call ends the attempt.
import { Memory } from '@extism/as-pdk';
import { length } from '@extism/as-pdk/lib/env';
import { Json } from './json';

// Extism's JavaScript host 2.0.0-rc13 links status and headers only when they are imported after
// `http_request`. The optimiser sorts imports by uses, then by these names, last letter first: each
// is used once, in `send`, so `requestSend` comes first. A test of the kit checks it.
@external("extism:host/env", "http_request")
declare function requestSend(request: u64, body: u64): u64;
@external("extism:host/env", "http_headers")
declare function answerHeaders(): u64;
@external("extism:host/env", "http_status_code")
declare function answerStatus(): i32;

export class Header {
  constructor(
    /** Lower case, as the egress rule names it. */
    public name: string,
    public value: string,
  ) {}
}

export class HttpResponse {
  constructor(
    public status: i32,
    public body: string,
    /** As the host writes them: one JSON object, names in lower case. */
    private headersText: string,
  ) {}

  /** Whether the status is 200 to 299. */
  get ok(): bool {
    return this.status >= 200 && this.status < 300;
  }

  /** The body as JSON, or null when it is not JSON. */
  json(): Json | null {
    return Json.parse(this.body);
  }

  /** All headers: an object of strings, names in lower case. Empty when no answer came. */
  headers(): Json {
    const headers = Json.parse(this.headersText);
    return headers === null ? Json.object() : headers;
  }

  /** The value of a header, named in lower case; empty without it. */
  header(name: string): string {
    return this.headers().getString(name);
  }
}

function send(
  method: string,
  url: string,
  headers: Array<Header>,
  body: string | null,
): HttpResponse {
  const names = Json.object();
  for (let i = 0; i < headers.length; i++) {
    names.set(headers[i].name, Json.string(headers[i].value));
  }
  const request = Json.object()
    .set('url', Json.string(url))
    .set('method', Json.string(method))
    .set('headers', names);
  const requestBlock = Memory.allocateString(request.toString());
  const bodyOffset: u64 = body === null ? 0 : Memory.allocateString(body).offset;
  const at = requestSend(requestBlock.offset, bodyOffset);
  const text = textAt(at);
  return new HttpResponse(answerStatus(), text, textAt(answerHeaders()));
}

function textAt(at: u64): string {
  const size: u64 = at == 0 ? 0 : length(at);
  return size == 0 ? '' : new Memory(at, size).toString();
}

export namespace http {
  export function get(url: string, headers: Array<Header> = []): HttpResponse {
    return send('GET', url, headers, null);
  }

  /** Any other method. An operation with effect `read` may send only GET and HEAD. */
  export function request(
    method: string,
    url: string,
    headers: Array<Header>,
    body: string | null,
  ): HttpResponse {
    return send(method, url, headers, body);
  }
}
