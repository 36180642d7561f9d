/** The instance's own keys, kept in the vault: log signer, ticket office, and the pepper of API keys. */
import { sha256, toHex } from '@portarium/contracts/digest';
import { TicketSchema } from '@portarium/contracts/ticket';
import { jwtVerify, SignJWT } from 'jose';
import * as v from 'valibot';
import type { Clock } from '../../application/ports/clock.ts';
import type {
  IdempotencyKeys,
  LogSigner,
  SecretHasher,
  TicketOffice,
} from '../../application/ports/outside.ts';
import type { SealedVault } from '../vault/sealed-vault.ts';
import { openLogSigner } from './log-signer.ts';

export interface Keyring {
  readonly signer: LogSigner;
  readonly tickets: TicketOffice;
  readonly secrets: SecretHasher;
  readonly idempotencyKeys: IdempotencyKeys;
}

interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** 32 bytes. */
  readonly rawPublicKey: Uint8Array;
}

/** @param instance the name that stands before the slash in each checkpoint's origin */
export async function openKeyring(
  vault: SealedVault,
  instance: string,
  clock: Clock,
): Promise<Keyring> {
  const ticketKey = await ed25519(vault, 'ticket-signing-key');
  const pepper = await vault.getOrCreate('api-key-pepper', async () =>
    crypto.getRandomValues(new Uint8Array(32)),
  );
  const idempotency = await vault.getOrCreate('idempotency-key', async () =>
    crypto.getRandomValues(new Uint8Array(32)),
  );
  return {
    idempotencyKeys: await idempotencyKeys(idempotency),
    signer: await openLogSigner(vault, instance),
    tickets: ticketOffice(ticketKey, clock),
    secrets: {
      hash(secret) {
        const bytes = new TextEncoder().encode(secret);
        const joined = new Uint8Array(pepper.length + bytes.length);
        joined.set(pepper);
        joined.set(bytes, pepper.length);
        return sha256(joined);
      },
    },
  };
}

/** `formats.md`: first 32 hexadecimal digits of HMAC-SHA-256(instance key, `<action id>/<n>`). */
async function idempotencyKeys(secret: Uint8Array): Promise<IdempotencyKeys> {
  const key = await crypto.subtle.importKey(
    'raw',
    secret as Uint8Array<ArrayBuffer>,
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  return {
    async keyOf(action, call) {
      const text = new TextEncoder().encode(`${action}/${call}`);
      const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, text));
      return toHex(mac).slice(0, 32);
    },
  };
}

async function ed25519(vault: SealedVault, name: string): Promise<KeyPair> {
  const seed = await vault.getOrCreate(name, async () => {
    const pair = (await crypto.subtle.generateKey('Ed25519', true, [
      'sign',
      'verify',
    ])) as CryptoKeyPair;
    const jwk = await crypto.subtle.exportKey('jwk', pair.privateKey);
    return new TextEncoder().encode(
      JSON.stringify({ kty: jwk.kty, crv: jwk.crv, d: jwk.d, x: jwk.x }),
    );
  });
  const jwk = JSON.parse(new TextDecoder().decode(seed)) as JsonWebKey;
  const privateKey = await crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign']);
  const publicJwk: JsonWebKey = { kty: 'OKP', crv: 'Ed25519', x: jwk.x ?? '' };
  const publicKey = await crypto.subtle.importKey('jwk', publicJwk, 'Ed25519', true, ['verify']);
  const rawPublicKey = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
  return { privateKey, publicKey, rawPublicKey };
}

function ticketOffice(key: KeyPair, clock: Clock): TicketOffice {
  return {
    issue: (ticket) =>
      new SignJWT({ ...ticket })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'portarium-ticket' })
        .sign(key.privateKey),
    async verify(token, host) {
      try {
        const { payload } = await jwtVerify(token, key.publicKey, {
          algorithms: ['EdDSA'],
          typ: 'portarium-ticket',
          audience: host,
          currentDate: new Date(clock.nowMs()),
        });
        return v.parse(TicketSchema, payload);
      } catch {
        return undefined;
      }
    },
  };
}
