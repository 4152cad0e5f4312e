// The shape of an API key can be checked without any server.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { API_KEY_PATTERN, apiKeyIdOf, newApiKey } from '../../src/lib/api-key-format.ts';
import { newId } from '../../src/lib/ids.ts';

describe('API keys', () => {
  it('name their public id and fit the published pattern', () => {
    for (let round = 0; round < 200; round += 1) {
      const id = newId('key');
      const key = newApiKey(id);
      expect(key).toMatch(API_KEY_PATTERN);
      expect(apiKeyIdOf(key)).toBe(id);
    }
  });

  it('are never the same twice', () => {
    const id = newId('key');
    expect(new Set(Array.from({ length: 1000 }, () => newApiKey(id))).size).toBe(1000);
  });

  it('with any one character changed are told apart offline', () => {
    const key = newApiKey(newId('key'));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: key.length - 1 }),
        fc.constantFrom(...'0123456789ABCDEFabcdef'),
        (at, character) => {
          fc.pre(key.charAt(at) !== character);
          expect(apiKeyIdOf(key.slice(0, at) + character + key.slice(at + 1))).toBeUndefined();
        },
      ),
    );
  });

  it('are not what merely looks like one', () => {
    fc.assert(fc.property(fc.string(), (text) => apiKeyIdOf(text) === undefined));
  });
});
