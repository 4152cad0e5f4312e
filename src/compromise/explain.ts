// What a string is, told offline from its shape alone: a key of ours, what became of one, or something else. Never quotes it.
import { API_KEY_PATTERN, apiKeyIdOf } from '../lib/api-key-format.ts';
import { type ApiKeyId, parseId } from '../lib/ids.ts';
import { foreignKeys } from './foreign.ts';

export type Finding =
  | 'key'
  | 'surrounded'
  | 'truncated'
  | 'too_long'
  | 'case_changed'
  | 'characters_changed'
  | 'checksum_wrong'
  | 'key_id'
  | 'jwt'
  | 'other_product'
  | 'empty'
  | 'unknown';

export interface Explanation {
  readonly finding: Finding;
  /** Whether it is, or was, a key of this product. That there is such a key only its server can say. */
  readonly ours: boolean;
  /** The public id within, as far as it can be read. */
  readonly keyId: ApiKeyId | null;
  /** Whose it is instead, where its beginning says so. */
  readonly product: string | null;
  readonly sentence: string;
}

const PREFIX = 'gth_';
const ID_LENGTH = 26;
const SECRET_AT = PREFIX.length + ID_LENGTH + 1;
const LENGTH = SECRET_AT + 38;
const WITHIN = new RegExp(API_KEY_PATTERN.source.slice(1, -1));
const JWT = /^[\w-]{10,}\.[\w-]{10,}\.[\w-]*$/;

/** Every finding has one sentence that says what to do. */
const sentences: Readonly<Record<Finding, string>> = {
  key: 'A whole key: shape and checksum fit. Whether it exists and is good only its server can say.',
  surrounded: 'There is a whole key in it, with something before or after. Send the key alone.',
  truncated: 'A key that was cut off. Copy it whole: 69 characters.',
  too_long: 'A key with something added. A key has 69 characters: copy just these.',
  case_changed: 'A key whose upper or lower case was changed. It cannot be brought back: copy it anew.',
  characters_changed: 'It begins like a key, but has characters that no key has. Copy it anew.',
  checksum_wrong: 'The shape of a key, but the checksum does not fit: mistyped, or made up. Copy it anew.',
  key_id: 'The public id of a key, not the key: it opens nothing and may be shown.',
  jwt: 'A token in the form of a JWT, not a key. Ask its issuer about it.',
  other_product: 'Not a key of Gatehouse, but of another product. If it leaked, withdraw it there.',
  empty: 'There is nothing to look at.',
  unknown: 'Not a key of Gatehouse, and nothing else that is known by its beginning.',
};

export function explain(text: string): Explanation {
  const given = text.trim().replace(/^(["'`])(.*)\1$/s, '$2');
  const finding = findingOf(given);
  const keyId = keyIdIn(given);
  const product =
    finding === 'other_product'
      ? (foreignKeys.find(({ pattern }) => pattern.test(given))?.product ?? null)
      : null;
  return {
    finding,
    ours: !['key_id', 'jwt', 'other_product', 'empty', 'unknown'].includes(finding),
    keyId,
    product,
    sentence: sentences[finding],
  };
}

function findingOf(given: string): Finding {
  if (given === '') return 'empty';
  if (apiKeyIdOf(given) !== undefined) return 'key';
  if (given.toLowerCase().startsWith(PREFIX)) return brokenKey(given);
  const within = WITHIN.exec(given)?.[0];
  if (within !== undefined && apiKeyIdOf(within) !== undefined) return 'surrounded';
  if (parseId('key', given) !== undefined) return 'key_id';
  if (foreignKeys.some(({ pattern }) => pattern.test(given))) return 'other_product';
  return JWT.test(given) ? 'jwt' : 'unknown';
}

/** It begins like a key of ours, in whatever case. */
function brokenKey(given: string): Finding {
  const isOneCase = given === given.toLowerCase() || given === given.toUpperCase();
  const id = given.slice(PREFIX.length, SECRET_AT - 1);
  if (!given.startsWith(PREFIX) || id !== id.toLowerCase()) return 'case_changed';
  // All of its letters in one case: that a random secret is so does not happen.
  if (isOneCase && given.length === LENGTH && /[a-z]/i.test(given.slice(SECRET_AT))) return 'case_changed';
  if (API_KEY_PATTERN.test(given)) return 'checksum_wrong';
  const first = given.slice(0, LENGTH);
  if (given.length > LENGTH && API_KEY_PATTERN.test(first)) {
    return apiKeyIdOf(first) === undefined || /^[0-9A-Za-z]/.test(given.slice(LENGTH))
      ? 'too_long'
      : 'surrounded';
  }
  return given.length < LENGTH && /^[\w]*$/.test(given) ? 'truncated' : 'characters_changed';
}

function keyIdIn(given: string): ApiKeyId | null {
  const id = /gth_([0-9a-z]{26})(?![0-9a-z])/i.exec(given)?.[1] ?? /^key_([0-9a-z]{26})$/.exec(given)?.[1];
  return (id === undefined ? undefined : parseId('key', `key_${id.toLowerCase()}`)) ?? null;
}
