/**
 * The one point that every recorded call passes: bounds and cleans whatever a guest, a server or a
 * resolver wrote, so that no text of theirs can make a report impossible to take.
 */
import type { EgressCall } from '@portarium/contracts/internal-api';
import { plainText } from '@portarium/contracts/plain-text';

/** Characters of each field that the contract takes. */
const MOST = { scheme: 16, host: 255, path: 2_048, text: 512, layer: 32, address: 64 };
const METHOD = /^[A-Z]{1,16}$/;
/** Host names and literal addresses as the URL parser leaves them. */
const HOST = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{1,64}\])$/;

/** Rule ids as manifests and grants have them. */
const RULE = /^[a-z0-9-]{1,63}(?: [a-z0-9-]{1,63}){0,2}$/;
/** Characters of response headers: of one name, one value, and all together. */
const MOST_HEADER = { name: 256, value: 16_384, together: 64 * 1024 };
/** The largest `integer` of PostgreSQL. */
const MAX_INTEGER = 2_147_483_647;

/** The call with each text cut first, then cleaned: cutting can leave half a character behind. */
export function safeCall(call: EgressCall): EgressCall {
  const { rule, reason, layer, address, responseHeaders } = call;
  return {
    ...call,
    ms: Math.min(MAX_INTEGER, Math.ceil(call.ms)),
    method: METHOD.test(call.method) ? call.method : '?',
    scheme: oneLine(call.scheme, MOST.scheme),
    host: oneLine(call.host, MOST.host),
    path: oneLine(call.path, MOST.path),
    ...(rule === undefined ? {} : { rule: oneLine(rule, MOST.text) }),
    ...(reason === undefined ? {} : { reason: oneLine(reason, MOST.text) }),
    ...(layer === undefined ? {} : { layer: oneLine(layer, MOST.layer) }),
    ...(address === undefined ? {} : { address: oneLine(address, MOST.address) }),
    ...(responseHeaders === undefined ? {} : { responseHeaders: storable(responseHeaders) }),
  };
}

/** Headers that can be stored, by name; the others are dropped before the guest reads any. */
function storable(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  let together = 0;
  for (const [name, value] of Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const length = name.length + value.length;
    if (name.length > MOST_HEADER.name || value.length > MOST_HEADER.value) continue;
    if (together + length > MOST_HEADER.together) continue;
    if (name === 'prototype' || name in Object.prototype) continue;
    if (`${name}${value}`.includes('\0') || !`${name} ${value}`.isWellFormed()) continue;
    together += length;
    kept[name] = value;
  }
  return kept;
}

/**
 * What is left of a call when its full record was refused: no free text of a guest, but everything that
 * answers it in a later attempt.
 */
export function reducedCall(call: EgressCall): EgressCall {
  const { path: _path, reason: _reason, rule, address: _address, ...rest } = safeCall(call);
  return {
    ...rest,
    ...(rule !== undefined && RULE.test(rule) ? { rule } : {}),
    scheme: /^https?$/.test(rest.scheme) ? rest.scheme : '',
    host: HOST.test(rest.host) ? rest.host : '',
    path: '',
    ...(call.reason === undefined ? {} : { reason: 'left out: the full record was refused' }),
  };
}

function oneLine(text: string, most: number): string {
  return plainText(text.slice(0, most), most).replaceAll(/[\t\n]/g, ' ');
}
