/** The only name server of the private network: answers what a case scripts, another thing each time if it says so. */
import { createSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { type Answer, decode, encode } from 'dns-packet';

/**
 * Answers by name, first to last; the last one stays. One answer is the addresses of both families, or
 * `@name` for an alias.
 */
export type Names = Readonly<Record<string, readonly (readonly string[])[]>>;

export class DnsStub {
  readonly #socket = createSocket('udp4');
  readonly #counts = new Map<string, number>();
  #names: Names = {};

  /** What was asked for, as `A name`. */
  readonly asked: string[] = [];

  async listen(address: string): Promise<void> {
    this.#socket.on('message', (message, from) => {
      this.#socket.send(this.#answer(message), from.port, from.address);
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once('error', reject);
    this.#socket.bind(53, address, resolve);
    return promise;
  }

  /** From the next question on. */
  script(names: Names): void {
    this.#names = names;
    this.#counts.clear();
    this.asked.length = 0;
  }

  #answer(message: Buffer): Buffer {
    const query = decode(message);
    const answers: Answer[] = [];
    for (const { name, type } of query.questions ?? []) {
      this.asked.push(`${type} ${name}`);
      answers.push(...this.#records(name.toLowerCase(), type));
    }
    return encode({
      type: 'response',
      id: query.id ?? 0,
      // Recursion asked for and offered.
      flags: 0x0180 | (answers.length === 0 && !this.#isKnown(query.questions ?? []) ? 3 : 0),
      questions: query.questions ?? [],
      answers,
    });
  }

  #isKnown(questions: readonly { readonly name: string }[]): boolean {
    return questions.some(({ name }) => this.#script(name.toLowerCase()) !== undefined);
  }

  #script(name: string): Names[string] | undefined {
    return this.#names[name] ?? this.#names[`*.${name.split('.').slice(1).join('.')}`];
  }

  #records(name: string, type: string): Answer[] {
    const script = this.#script(name);
    if (!script || (type !== 'A' && type !== 'AAAA')) return [];
    const key = `${type} ${name}`;
    const nth = this.#counts.get(key) ?? 0;
    this.#counts.set(key, nth + 1);
    const found = script[Math.min(nth, script.length - 1)] ?? [];
    return found.flatMap((data): Answer[] => {
      if (data.startsWith('@')) {
        const alias = data.slice(1);
        return [{ name, type: 'CNAME', ttl: 0, data: alias }, ...this.#records(alias, type)];
      }
      const family = isIP(data) === 4 ? 'A' : 'AAAA';
      return family === type ? [{ name, type: family, ttl: 0, data }] : [];
    });
  }

  close(): void {
    this.#socket.close();
  }
}
