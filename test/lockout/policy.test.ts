// How long sign-in waits after how many failures.
import { describe, expect, it } from 'vitest';
import { delaySeconds, delayTable, FORGET_AFTER_SECONDS, freeAttemptsOf } from '../../src/lockout/policy.ts';

const settings = {
  freeAttempts: 5,
  accountFreeAttempts: 20,
  addressFreeAttempts: 50,
  baseDelaySeconds: 5,
  maximumDelaySeconds: 3600,
};

describe('the delay', () => {
  it.each([
    [1, 0],
    [4, 0],
    [5, 5],
    [6, 10],
    [7, 20],
    [14, 2560],
    [15, 3600],
    [100, 3600],
    [5000, 3600],
  ])('after %i failures with 5 free attempts is %i s', (failures, seconds) => {
    expect(delaySeconds(failures, 5, settings)).toBe(seconds);
  });

  it('is tabled for each number of failures up to the one that reaches the maximum', () => {
    const table = delayTable(5, settings);
    expect(table).toEqual([0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
    table.forEach((delay, index) => {
      expect(delay).toBe(delaySeconds(index + 1, 5, settings));
    });
  });

  it('is the maximum at once when the base is no shorter', () => {
    expect(delayTable(1, { ...settings, baseDelaySeconds: 60, maximumDelaySeconds: 60 })).toEqual([60]);
  });

  it('can never outlast the memory of failures', () => {
    expect(FORGET_AFTER_SECONDS).toBeGreaterThan(86_400);
  });
});

it('gives each level its own free attempts', () => {
  expect(freeAttemptsOf('pair', settings)).toBe(5);
  expect(freeAttemptsOf('identifier', settings)).toBe(20);
  expect(freeAttemptsOf('address', settings)).toBe(50);
});
