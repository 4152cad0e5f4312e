// A key with all below it, and its end.
import type { ApiKeys, Authority, ShownKey } from '../api-keys/api-keys.ts';
import { failure } from '../platform/errors.ts';

export interface Family {
  readonly key: ShownKey;
  /** The key first, and those right below it before those below them. */
  readonly all: readonly ShownKey[];
}

/** Throws api_key_not_found. */
export async function familyFrom(
  apiKeys: Pick<ApiKeys, 'familyOf'>,
  id: string,
  as: Authority,
): Promise<Family> {
  const all = (await apiKeys.familyOf(id, as)).toSorted((a, b) => a.depth - b.depth);
  const [key] = all;
  if (key === undefined) throw failure('api_key_not_found');
  return { key, all };
}

/**
 * The key first: with it those below it work no more; then each of them, so that all say why. Answers which ended just now:
 * none ends twice.
 */
export async function endFamily(
  apiKeys: Pick<ApiKeys, 'revoke'>,
  { all }: Family,
  reason: string,
  as: Authority,
): Promise<string[]> {
  const ended: string[] = [];
  for (const { id, revokedAt } of all) {
    if (revokedAt !== null) continue;
    await apiKeys.revoke(id, reason, as);
    ended.push(id);
  }
  return ended;
}
