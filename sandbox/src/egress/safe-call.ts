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

/** The call with each text cut first, then cleaned: cutting can leave half a character behind. */
export function safeCall(call: EgressCall): EgressCall {
  const { rule, reason, layer, address } = call;
  return {
    ...call,
    method: METHOD.test(call.method) ? call.method : '?',
    scheme: oneLine(call.scheme, MOST.scheme),
    host: oneLine(call.host, MOST.host),
    path: oneLine(call.path, MOST.path),
    ...(rule === undefined ? {} : { rule: oneLine(rule, MOST.text) }),
    ...(reason === undefined ? {} : { reason: oneLine(reason, MOST.text) }),
    ...(layer === undefined ? {} : { layer: oneLine(layer, MOST.layer) }),
    ...(address === undefined ? {} : { address: oneLine(address, MOST.address) }),
  };
}

/** What is left of a call when its full record was refused: digests, counts, and no free text. */
export function reducedCall(call: EgressCall): EgressCall {
  const { path: _path, reason: _reason, rule: _rule, address: _address, ...rest } = safeCall(call);
  return {
    ...rest,
    scheme: /^https?$/.test(rest.scheme) ? rest.scheme : '',
    host: HOST.test(rest.host) ? rest.host : '',
    path: '',
    ...(call.reason === undefined ? {} : { reason: 'left out: the full record was refused' }),
  };
}

function oneLine(text: string, most: number): string {
  return plainText(text.slice(0, most), most).replaceAll(/[\t\n]/g, ' ');
}
