// The permission grammar, by table and by property.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePermission, permissionText } from '../../src/lib/permission.ts';

describe('parsePermission', () => {
  it.each([
    ['files:read', { resource: 'files', action: 'read', selector: '*' }],
    ['files:read:*', { resource: 'files', action: 'read', selector: '*' }],
    ['files:read:files:*', { resource: 'files', action: 'read', selector: 'files:*' }],
    ['*:*', { resource: '*', action: '*', selector: '*' }],
    ['*:*:*', { resource: '*', action: '*', selector: '*' }],
    ['api-keys:rotate', { resource: 'api-keys', action: 'rotate', selector: '*' }],
    ['a:b:https://x.example/y', { resource: 'a', action: 'b', selector: 'https://x.example/y' }],
  ])('reads %s', (text, permission) => {
    expect(parsePermission(text)).toEqual(permission);
  });

  it.each([
    '',
    'files',
    ':',
    'files:',
    ':read',
    '::',
    'files::x',
    'files:read:',
    'files:read:a::b',
    'files:read:a:',
    'fi*:read',
    'files:re ad',
    'files:read:a b',
    'files:read:"x"',
    'files:read:a\\b',
    'files:read:\u0000',
    'files:read:ü',
    ' files:read',
    'files:read\n',
    '-files:read',
    `files:read:${'x'.repeat(200)}`,
  ])('refuses %j', (text) => {
    expect(parsePermission(text)).toBeUndefined();
  });

  it('accepts nothing that could not stand in a scope string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const parsed = parsePermission(text);
        if (parsed !== undefined) expect(text).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/);
      }),
    );
  });

  it('reads back what it writes', () => {
    const word = fc.oneof(fc.constant('*'), fc.stringMatching(/^[a-z0-9]{1,20}$/));
    const selector = fc.oneof(
      fc.constant('*'),
      fc.stringMatching(/^[a-z0-9*]{1,10}(:[a-z0-9*]{1,10}){0,3}$/),
    );
    fc.assert(
      fc.property(word, word, selector, (resource, action, chosen) => {
        const permission = { resource, action, selector: chosen };
        expect(parsePermission(permissionText(permission))).toEqual(permission);
      }),
    );
  });
});
