// The one rule for scopes, as laws: nothing is granted that any side does not cover, and less held is never more granted.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compilePermissions, type PermissionSet } from '../../src/lib/permission.ts';
import { grantedScopes } from '../../src/oidc/tokens/grantable.ts';

const word = fc.constantFrom('files', 'notes', '*');
const action = fc.constantFrom('read', 'write', '*');
const selector = fc.constantFrom('', ':files:*', ':files:7', ':7', ':@owner');
const permission = fc.tuple(word, action, selector).map(([of, what, which]) => `${of}:${what}${which}`);
const texts = fc.array(permission, { maxLength: 6 });
const sets = texts.map(compilePermissions);

it('grants what all sides cover, in the order that it was asked in, and once', () => {
  fc.assert(
    fc.property(texts, sets, sets, sets, (asked, api, entitlement, held) => {
      const expected = asked.filter((scope) => [api, entitlement, held].every((set) => set.covers(scope)));
      expect(grantedScopes({ asked, api, entitlement, held })).toEqual([...new Set(expected)]);
    }),
  );
});

it('grants no more when any side holds less', () => {
  fc.assert(
    fc.property(texts, sets, sets, sets, sets, (asked, api, entitlement, held, less) => {
      const whole = grantedScopes({ asked, api, entitlement, held });
      const narrowed = (set: PermissionSet) => set.intersect(less);
      for (const part of [
        { api: narrowed(api), entitlement, held },
        { api, entitlement: narrowed(entitlement), held },
        { api, entitlement, held: narrowed(held) },
      ]) {
        for (const scope of grantedScopes({ asked, ...part })) expect(whole).toContain(scope);
      }
    }),
  );
});

it('grants nothing that is no permission, whatever is held', () => {
  const all = compilePermissions(['*:*']);
  for (const scope of [
    'openid',
    '',
    '*',
    'files',
    'files:',
    ':read',
    'a b',
    'files:read:a::b',
    '__proto__',
  ]) {
    expect(grantedScopes({ asked: [scope], api: all, entitlement: all, held: all })).toEqual([]);
  }
});

it('takes somebody who holds nothing for nobody who is there', () => {
  const all = compilePermissions(['*:*']);
  const asked = ['files:read'];

  expect(grantedScopes({ asked, api: all, entitlement: all, held: compilePermissions([]) })).toEqual([]);
  expect(grantedScopes({ asked, api: all, entitlement: all })).toEqual(asked);
});
