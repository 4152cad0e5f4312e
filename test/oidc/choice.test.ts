// The rule by which a request comes to its organization, case by case, and what holds for all cases.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseOrganization, type Situation } from '../../src/oidc/consent/choice.ts';

const asked: Situation = {
  named: undefined,
  chosen: undefined,
  before: undefined,
  wanted: false,
  memberships: ['org_a', 'org_b'],
  asksApi: true,
  useful: ['org_a', 'org_b', null],
  asksServer: false,
};
const one = { ...asked, memberships: ['org_a'], useful: ['org_a', null] };
const clear = (organizationId: string | null | undefined) => ({ kind: 'clear', organizationId });

describe('the organization of a request', () => {
  it.each<[string, Situation, object]>([
    ['is asked of a member of several', asked, { kind: 'open', among: ['org_a', 'org_b', null] }],
    ['is the only one, without a question', one, clear('org_a')],
    [
      'is asked of a member of one where the app wants it',
      { ...one, wanted: true },
      { kind: 'open', among: ['org_a', null] },
    ],
    [
      'is none for who is a member of none',
      { ...asked, wanted: true, memberships: [], useful: [null] },
      clear(undefined),
    ],
    [
      'is no question without permissions of an API',
      { ...asked, asksApi: false, useful: [] },
      clear(undefined),
    ],
    ['is the one that was chosen', { ...asked, wanted: true, chosen: 'org_b' }, clear('org_b')],
    ['is none where none was chosen', { ...asked, wanted: true, chosen: null }, clear(null)],
    [
      'is asked again when the chosen one is gone',
      { ...asked, chosen: 'org_x' },
      { kind: 'open', among: asked.useful },
    ],
    ['is the one that the app names', { ...asked, named: 'org_b' }, clear('org_b')],
    ['is none of those that the person is no member of', { ...asked, named: 'org_x' }, { kind: 'foreign' }],
    [
      'is refused also when the person has chosen one',
      { ...asked, named: 'org_x', chosen: 'org_a' },
      { kind: 'foreign' },
    ],
    ['is the one of before', { ...asked, before: 'org_b' }, clear('org_b')],
    [
      'is the one of before also for a request without an API',
      { ...asked, asksApi: false, useful: [], before: 'org_b' },
      clear('org_b'),
    ],
    ['is none where none was chosen before', { ...asked, before: null }, clear(null)],
    [
      'is asked when the one of before gives nothing of it',
      { ...asked, useful: ['org_a', null], before: 'org_b' },
      { kind: 'open', among: ['org_a', null] },
    ],
    ['is the only one that gives anything of it', { ...asked, useful: ['org_b'] }, clear('org_b')],
    ['is none where nothing can be granted anywhere', { ...asked, useful: [] }, clear(undefined)],
    ['is not put on an administrator at the management API', { ...one, asksServer: true }, clear(undefined)],
    [
      'is taken at the management API where nothing is held without',
      { ...one, useful: ['org_a'], asksServer: true },
      clear('org_a'),
    ],
  ])('%s', (_case, situation, expected) => {
    expect(chooseOrganization(situation)).toEqual(expected);
  });

  it('is never one that the person is no member of, nor one that offers nothing to choose', () => {
    const id = fc.constantFrom('org_a', 'org_b', 'org_c', 'org_d');
    const choice = fc.option(fc.option(id), { nil: undefined });
    const situations = fc
      .record({
        named: fc.option(id, { nil: undefined }),
        chosen: choice,
        before: choice,
        wanted: fc.boolean(),
        memberships: fc.uniqueArray(id),
        asksApi: fc.boolean(),
        asksServer: fc.boolean(),
        holds: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      })
      .map(({ holds, ...rest }): Situation => {
        const where = [...rest.memberships, null];
        return { ...rest, useful: rest.asksApi ? where.filter((_, at) => holds[at]) : [] };
      });
    fc.assert(
      fc.property(situations, (situation) => {
        const chosen = chooseOrganization(situation);
        const own = [...situation.memberships, null, undefined];
        if (chosen.kind === 'clear') expect(own).toContain(chosen.organizationId);
        if (chosen.kind === 'open') {
          expect(chosen.among.length).toBeGreaterThan(0);
          for (const one of chosen.among) expect(own).toContain(one);
        }
        if (situation.named !== undefined && !situation.memberships.includes(situation.named)) {
          expect(chosen.kind).toBe('foreign');
        }
      }),
    );
  });
});
