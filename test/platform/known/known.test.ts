// The in-process look-up: bounded, one load for many callers, never an answer from before a change.
import { describe, expect, it } from 'vitest';
import { createKnown } from '../../../src/platform/known/known.ts';
import { createTestClock } from '../../clients/support.ts';

function setUp(maximumEntries = 10, more: { maximumSilence?: number } = {}) {
  const clock = createTestClock();
  const loads: string[] = [];
  const stored = new Map<string, { name: string }>();
  const feed = { silence: Number.POSITIVE_INFINITY };
  let gate: Promise<void> = Promise.resolve();
  const known = createKnown<{ name: string }>({
    clock,
    maximumEntries,
    ...more,
    silence: () => feed.silence,
    async load(id) {
      loads.push(id);
      const value = stored.get(id);
      await gate;
      return value;
    },
  });
  return {
    clock,
    loads,
    stored,
    known,
    feed,
    hold() {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
  };
}

describe('what is known', () => {
  it('loads once for many callers at once', async () => {
    const { known, loads, stored } = setUp();
    stored.set('a', { name: 'a' });
    await Promise.all(Array.from({ length: 50 }, () => known.get('a')));
    expect(loads).toEqual(['a']);
  });

  it('does not keep what was read before a change', async () => {
    const { known, loads, stored, hold } = setUp();
    stored.set('a', { name: 'old' });
    const open = hold();
    const early = known.get('a');
    await expect.poll(() => loads).toEqual(['a']);
    stored.set('a', { name: 'new' });
    known.expire(undefined);
    open();
    expect(await early).toEqual({ name: 'old' });
    expect(await known.get('a')).toEqual({ name: 'new' });
  });

  it('does not keep what was read before a change of that one', async () => {
    const { known, loads, stored, hold } = setUp();
    stored.set('a', { name: 'old' });
    const open = hold();
    const early = known.get('a');
    await expect.poll(() => loads).toEqual(['a']);
    stored.set('a', { name: 'new' });
    known.expire(['a']);
    const late = known.get('a');
    open();
    expect(await early).toEqual({ name: 'old' });
    expect(await late).toEqual({ name: 'new' });
    expect(await known.get('a')).toEqual({ name: 'new' });
    expect(loads).toEqual(['a', 'a']);
  });

  it('looks only those up again that changed, known or not', async () => {
    const { known, loads, stored } = setUp();
    for (const id of ['a', 'b']) stored.set(id, { name: id });
    for (const id of ['a', 'b', 'c']) await known.get(id);
    loads.length = 0;
    stored.set('c', { name: 'c' });
    known.expire(['a', 'c', 'd']);
    for (const id of ['a', 'b', 'c']) await known.get(id);
    expect(loads).toEqual(['a', 'c']);
    expect(await known.get('c')).toEqual({ name: 'c' });
  });

  it('looks again after a minute only when no change could be heard of for as long', async () => {
    const { known, loads, stored, clock, feed } = setUp();
    stored.set('a', { name: 'a' });
    await known.get('a');
    clock.advance(600);
    feed.silence = 59_999;
    await known.get('a');
    expect(loads).toEqual(['a']);
    feed.silence = 60_000;
    await known.get('a');
    expect(loads).toEqual(['a', 'a']);
  });

  it('looks again, where no change is heard of, after a minute, and after three seconds for what was not there', async () => {
    const { known, loads, stored, clock } = setUp();
    stored.set('a', { name: 'a' });
    await known.get('a');
    await known.get('b');
    clock.advance(3);
    await known.get('a');
    await known.get('b');
    expect(loads).toEqual(['a', 'b', 'b']);
    clock.advance(57);
    await known.get('a');
    expect(loads.at(-1)).toBe('a');
  });

  it('with a longest silence uses nothing, found or missed, once changes have gone unheard for as long', async () => {
    const { known, loads, stored, feed } = setUp(10, { maximumSilence: 5000 });
    stored.set('a', { name: 'a' });
    feed.silence = 4999;
    for (const id of ['a', 'a', 'b', 'b']) await known.get(id);
    expect(loads).toEqual(['a', 'b']);
    feed.silence = 5000;
    for (const id of ['a', 'b']) await known.get(id);
    expect(loads).toEqual(['a', 'b', 'a', 'b']);
  });

  it('stays bounded, and made-up ids push out no real one', async () => {
    const { known, loads, stored } = setUp(10);
    stored.set('real', { name: 'real' });
    await known.get('real');
    for (let index = 0; index < 100; index += 1) await known.get(`made-up-${index}`);
    loads.length = 0;
    await known.get('real');
    await known.get('made-up-0');
    expect(loads).toEqual(['made-up-0']);
  });

  it('remembers no failure', async () => {
    let fail = true;
    const known = createKnown<string>({
      clock: createTestClock(),
      silence: () => 0,
      load: async () => {
        if (fail) throw new Error('database away');
        return 'here';
      },
    });
    await expect(known.get('a')).rejects.toThrow('database away');
    fail = false;
    expect(await known.get('a')).toBe('here');
  });
});
