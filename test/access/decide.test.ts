// Decisions, pure: what matches what, what is said about it, and the laws that no set of roles may break.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { decide } from '../../src/access/decide.ts';
import type { Resource } from '../../src/access/schema.ts';
import { compilePermissions } from '../../src/lib/permission.ts';

const me = ['acc_me', 'me@example.com', 'me'];
const holding = (permissions: readonly string[], via = 'role tester') => ({
  permissions: compilePermissions(permissions),
  sources: permissions.map((permission) => ({ permission, via })),
  identifiers: me,
});
const outcome = (permissions: string[], action: string, resource: Resource) => {
  const { allowed, reasons } = decide(holding(permissions), action, resource);
  return [allowed, reasons[0]?.code];
};

describe('a decision', () => {
  it.each([
    [['files:read'], 'read', { type: 'files', id: '7' }, true, 'permitted'],
    [['files:read'], 'read', { type: 'files' }, true, 'permitted'],
    [['files:read:files:*'], 'read', { type: 'files', id: '7' }, true, 'permitted'],
    [['files:read:7'], 'read', { type: 'files', id: '7' }, true, 'permitted'],
    [['files:read:7'], 'read', { type: 'files', id: '8' }, false, 'other_resource'],
    [['files:read:7'], 'read', { type: 'files' }, false, 'other_resource'],
    [['files:read:reports:*'], 'read', { type: 'files', id: 'reports:q1:total' }, true, 'permitted'],
    [['*:*:*'], 'delete', { type: 'anything', id: 'x' }, true, 'permitted'],
    [['*:read'], 'read', { type: 'anything', id: 'x' }, true, 'permitted'],
    [['*:read'], 'delete', { type: 'anything', id: 'x' }, false, 'no_permission'],
    [[], 'read', { type: 'files', id: '7' }, false, 'no_permission'],
    [['*:*'], '*', { type: 'files', id: '7' }, false, 'question_invalid'],
    [['*:*'], 'read', { type: 'a b', id: '7' }, false, 'question_invalid'],
  ] as const)('by %j to %s %j is %s: %s', (permissions, action, resource, allowed, code) => {
    expect(outcome([...permissions], action, resource)).toEqual([allowed, code]);
  });

  it('names the permission, the role and the team that it is from', () => {
    const facts = holding(['files:read'], 'role viewer (in team Support)');
    expect(decide(facts, 'read', { type: 'files', id: '7' }).reasons).toEqual([
      { code: 'permitted', text: 'files:read from role viewer (in team Support).' },
    ]);
  });
});

describe('a condition on a property', () => {
  const todo = (owner?: unknown) => ({ type: 'todo', id: '1', properties: { owner } });

  it.each([
    ['the id of the subject', 'acc_me'],
    ['its mail address', 'me@example.com'],
    ['its user name', 'me'],
    ['a list that it is in', ['somebody', 'me']],
  ])('holds for %s', (_what, owner) => {
    expect(outcome(['todo:update:@owner'], 'update', todo(owner))).toEqual([true, 'permitted_by_property']);
  });

  it.each([
    ['somebody else', 'somebody'],
    ['nobody', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', { me: 'me' }],
    ['a list of lists', [['me']]],
  ])('does not hold for %s', (_what, owner) => {
    expect(outcome(['todo:update:@owner'], 'update', todo(owner))).toEqual([false, 'property_mismatch']);
  });

  it('is no property that every object has, and no id that is spelled like it', () => {
    const properties = { owner: 'somebody' };
    expect(outcome(['todo:update:@constructor'], 'update', { ...todo(), properties })[0]).toBe(false);
    expect(outcome(['todo:update:@owner'], 'update', { type: 'todo', id: '@owner', properties })[0]).toBe(
      false,
    );
  });
});

const word = fc.constantFrom('*', 'a', 'b');
const selector = fc.constantFrom('*', 'x', 'y', 'x:*', 'a:x', '@owner', '@editor');
const permission = fc.tuple(word, word, selector).map((parts) => parts.join(':'));
const permissions = fc.array(permission, { maxLength: 5 });
const question = fc.record({
  action: fc.constantFrom('a', 'b'),
  resource: fc.record({
    type: fc.constantFrom('a', 'b'),
    id: fc.option(fc.constantFrom('x', 'y', 'x:1', '@owner'), { nil: undefined }),
    properties: fc.record({
      owner: fc.constantFrom('me', 'you'),
      editor: fc.constantFrom('me', ['me', 'you']),
    }),
  }),
});
const allowed = (texts: readonly string[], { action, resource }: { action: string; resource: Resource }) =>
  decide(holding(texts), action, resource).allowed;

describe('the laws of decisions', () => {
  test('a narrower set never allows more', () => {
    fc.assert(
      fc.property(permissions, permissions, question, (wide, others, asked) => {
        const set = compilePermissions(wide);
        const narrow = others.filter((text) => set.covers(text));
        if (allowed(narrow, asked)) expect(allowed(wide, asked)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('one more role never takes away', () => {
    fc.assert(
      fc.property(permissions, permissions, question, (held, more, asked) => {
        expect(allowed([...held, ...more], asked)).toBe(allowed(held, asked) || allowed(more, asked));
      }),
      { numRuns: 5000 },
    );
  });

  test('what two sets have in common allows nothing that one of them refuses', () => {
    fc.assert(
      fc.property(permissions, permissions, question, (one, two, asked) => {
        const both = compilePermissions(one).intersect(compilePermissions(two)).texts;
        if (allowed(both, asked)) expect(allowed(one, asked) && allowed(two, asked)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('every answer has a reason', () => {
    fc.assert(
      fc.property(permissions, question, (held, { action, resource }) => {
        expect(decide(holding(held), action, resource).reasons.length).toBeGreaterThan(0);
      }),
    );
  });
});
