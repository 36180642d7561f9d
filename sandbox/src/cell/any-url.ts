/**
 * Lets the SDK pass on what is no URL at all. It parses every address only to match its own list of hosts,
 * which allows all, and ends the attempt where that fails; the broker would never hear of the request, and
 * nothing would be on record. What the guest wrote is passed on as it stands.
 */
const Parsed = globalThis.URL;

globalThis.URL = class extends Parsed {
  constructor(url: string | URL, base?: string | URL) {
    super(Parsed.canParse(url, base) ? url : 'http://malformed.invalid/', base);
  }
};
