/** Arguments that are ids: what can not be one is told before anything is asked for. */
import {
  ActionIdSchema,
  ApprovalIdSchema,
  HoldIdSchema,
  KeyIdSchema,
} from '@portarium/contracts/ids';
import { InvalidArgumentError } from 'commander';
import * as v from 'valibot';

/** @throws InvalidArgumentError */
export function actionId(text: string): string {
  return checked(text, ActionIdSchema, 'act_');
}

/** @throws InvalidArgumentError */
export function keyId(text: string): string {
  return checked(text, KeyIdSchema, 'key_');
}

/** @throws InvalidArgumentError */
export function holdId(text: string): string {
  return checked(text, HoldIdSchema, 'hld_');
}

/** @throws InvalidArgumentError */
export function actionOrApprovalId(text: string): string {
  return v.is(ApprovalIdSchema, text) ? text : checked(text, ActionIdSchema, 'act_ (or apr_)');
}

function checked(text: string, schema: v.GenericSchema<string>, prefix: string): string {
  if (v.is(schema, text)) return text;
  throw new InvalidArgumentError(
    `Expected an id: ${prefix} and the 32 lowercase hexadecimal digits of a UUIDv7.`,
  );
}
