// The laws of permission sets: a narrower set never allows more; union and intersection mean what they say.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePermissions, parsePermission } from '../../src/lib/permission.ts';

const segment = fc.constantFrom('*', 'a', 'b', 'c');
const selector = fc
  .array(fc.constantFrom('*', 'x', 'y', '@owner'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(':'));
const permission = fc
  .tuple(segment, segment, fc.option(selector, { nil: undefined }))
  .map(([resource, action, rest]) => [resource, action, ...(rest === undefined ? [] : [rest])].join(':'));
const set = fc.array(permission, { maxLength: 5 }).map(compilePermissions);

test('an intersection covers exactly what both sets cover', () => {
  fc.assert(
    fc.property(set, set, permission, (one, two, asked) => {
      expect(one.intersect(two).covers(asked)).toBe(one.covers(asked) && two.covers(asked));
    }),
    { numRuns: 2000 },
  );
});

test('a union covers what either set covers', () => {
  fc.assert(
    fc.property(set, set, permission, (one, two, asked) => {
      expect(one.union(two).covers(asked)).toBe(one.covers(asked) || two.covers(asked));
    }),
    { numRuns: 2000 },
  );
});

test('a set whose every permission another covers never allows more than that one', () => {
  fc.assert(
    fc.property(set, fc.array(permission), permission, (wide, texts, asked) => {
      const narrow = compilePermissions(texts.filter((text) => wide.covers(text)));
      if (narrow.covers(asked)) expect(wide.covers(asked)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('intersection and union are commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(set, set, set, (one, two, three) => {
      for (const act of ['intersect', 'union'] as const) {
        expect(one[act](two).texts).toEqual(two[act](one).texts);
        expect(one[act](two[act](three)).texts).toEqual(one[act](two)[act](three).texts);
        expect(one[act](one).texts).toEqual(one.texts);
      }
    }),
  );
});

test('a set means the same after it was written down and read again', () => {
  fc.assert(
    fc.property(set, (one) => {
      expect(compilePermissions(one.texts).texts).toEqual(one.texts);
      for (const text of one.texts) expect(parsePermission(text)).toBeDefined();
    }),
  );
});

test('an instance is covered by its pattern: segment by segment, and any number of them at the end', () => {
  const held = compilePermissions(['files:read:files:*', 'audit_logs:read', 'todo:update:@owner']);
  expect(held.covers('files:read:files:7')).toBe(true);
  expect(held.covers('files:read:files:7:pages')).toBe(true);
  expect(held.covers('files:read:other:7')).toBe(false);
  expect(held.covers('files:read')).toBe(false);
  expect(held.covers('audit_logs:read:everything')).toBe(true);
  expect(held.covers('todo:update')).toBe(false);
  expect(held.covers('todo:update:@owner')).toBe(true);
  expect(held.covers('not a permission')).toBe(false);
  expect(compilePermissions(['*:*:*']).covers('files:read:files:7')).toBe(true);
  expect(compilePermissions(['files']).texts).toEqual([]);
});
