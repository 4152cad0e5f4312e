// The pages of one's own API keys in their states.
import { longName, type Sample } from './sample.ts';

const beginning = 'gth_01kb2m3n4p5q6r7s8t9v0w1x2y_';
const good = { kind: 'good', text: 'Works' };
const entry = {
  name: 'Backup at home',
  href: '/account/keys/key_1',
  beginning,
  badge: good,
  may: ['Harbour Notes: Read your notes. Write your notes.'],
  lines: ['Made 1 November 2026 · last used 21 November 2026 · works until 30 January 2027'],
  requests: 'Requests: 1,204 in 7 days, 5,210 in 30 days',
};
const meter = {
  id: 'budget-1',
  label: 'Requests per month',
  used: 9000,
  limit: 10_000,
  text: '9,000 of 10,000 · begins anew on 1 December 2026',
};
const ending = { ...entry, name: longName, badge: { kind: 'warn', text: 'Ends soon' }, meters: [meter] };
const bad = { ...entry, name: 'Reader', badge: { kind: 'bad', text: 'Does not work' } };
const over = { ...entry, name: 'Old one', badge: { kind: 'plain', text: 'Revoked' } };

const sample = (name: string, view: string, titleKey: string, model: object): Sample => ({
  name: `keys-${name}`,
  view: `self-service/keys/${view}`,
  titleKey,
  nav: 'keys',
  model: { ...model },
});

const list = { working: [], over: [], own: [], newHref: '/account/keys/new', first: null, next: null };
const tree = [
  {
    entry,
    below: [
      { entry: ending, below: [{ entry: bad, below: [] }] },
      { entry: bad, below: [] },
    ],
  },
  { entry: bad, below: [] },
];

const form = {
  once: 'k3Rw8',
  action: '/account/keys/new',
  cancel: '/account/keys',
  parent: null,
  places: [],
  name: '',
  addresses: '',
  groups: [
    {
      name: 'Harbour Notes',
      isOpen: true,
      choices: [
        { name: 'permission-1', value: 'a', label: 'Read your notes.', hint: 'notes:read', checked: true },
        { name: 'permission-2', value: 'b', label: 'Write your notes.', hint: 'notes:write', checked: false },
      ],
    },
    {
      name: 'Everywhere',
      isOpen: false,
      choices: [{ name: 'permission-3', value: 'c', label: 'Everything', hint: '*:*:*', checked: false }],
    },
  ],
  life: '90',
  lives: [
    { value: '30', label: '30 days' },
    { value: '90', label: '90 days' },
  ],
  error: null,
  fieldErrors: { name: null, permissions: null, life: null, addresses: null },
};
const wrong = {
  name: 'Please fill in this field.',
  permissions: 'Please choose what the key may do.',
  life: 'Please choose one of these times.',
  addresses: 'Please enter addresses such as 192.0.2.10.',
};
const places = [
  { name: 'For yourself', href: '/account/keys/new', isHere: true },
  { name: longName, href: '/account/keys/new?in=org_1', isHere: false },
];

const bars = Array.from({ length: 30 }, (_, at) => ({
  day: `${at + 1} November 2026`,
  count: String(at * 7),
  height: (at * 7 * 100) / 203,
}));
const unused = { bars, total: '0', week: '0', most: undefined };
const key = {
  name: 'Backup at home',
  path: '/account/keys/key_1',
  beginning,
  badge: good,
  reason: null,
  parent: null,
  may: [
    { name: 'Harbour Notes', sentences: ['Read your notes.', 'Write your notes.'] },
    { name: null, sentences: ['Use the permission “files:read”'] },
  ],
  facts: [
    { label: 'Begins with', text: beginning, mono: true },
    { label: 'Made', text: '1 November 2026' },
  ],
  used: { bars, total: '3,045', week: '1,200', most: bars.at(-1) },
  meters: [meter],
  below: tree,
  mayHaveBelow: true,
  isOver: false,
  isDisabled: false,
  field: 'Backup at home',
  fieldErrors: { name: null },
};

const rotation = {
  name: 'Backup at home',
  action: '/account/keys/key_1/rotate',
  cancel: '/account/keys/key_1',
  once: 'k3Rw8',
  overlap: '86400',
  overlaps: [
    { value: '0', label: 'Not at all: it ends at once' },
    { value: '86400', label: '24 hours' },
  ],
  error: null,
  fieldErrors: { overlap: null },
};
const revocation = {
  name: 'Backup at home',
  below: 0,
  action: '/account/keys/key_1/revoke',
  cancel: '/account/keys/key_1',
};

export const keySamples: readonly Sample[] = [
  sample('none', 'list', 'keys.title', list),
  sample('list', 'list', 'keys.title', {
    ...list,
    working: tree,
    over: [over],
    own: [{ ...meter, id: 'budget-2' }],
    next: '/account/keys?cursor=x',
  }),
  sample('new', 'new', 'keys.new.title', { ...form, places }),
  sample('new-sub', 'new', 'keys.sub.title', { ...form, parent: longName }),
  sample('new-wrong', 'new', 'keys.new.title', { ...form, error: 'Not so.', fieldErrors: wrong }),
  sample('new-nothing', 'new', 'keys.new.title', { ...form, groups: [] }),
  sample('issued', 'issued', 'keys.issued.title', {
    name: 'Backup at home',
    secret: 'gth_01kb2m3n4p5q6r7s8t9v0w1x2y_0123456789abcdefghijABCDEFGHIJ0123abcdef',
    next: '/account/keys/key_1',
  }),
  sample('issued-before', 'issued', 'keys.issued.title', {
    name: 'Backup at home',
    secret: null,
    next: '/account/keys/key_1',
  }),
  sample('one', 'key', 'keys.title', key),
  sample('one-unused', 'key', 'keys.title', {
    ...key,
    used: unused,
    below: [],
    meters: [],
    may: [],
    isDisabled: true,
    reason: 'It does not work, as a key above it does not.',
    parent: { name: longName, href: '/account/keys/key_0' },
    field: '',
    fieldErrors: { name: 'Please enter a name.' },
  }),
  sample('one-over', 'key', 'keys.title', {
    ...key,
    isOver: true,
    mayHaveBelow: false,
    below: [],
    badge: over.badge,
  }),
  sample('rotate', 'rotate', 'keys.rotate.title', rotation),
  sample('rotate-wrong', 'rotate', 'keys.rotate.title', {
    ...rotation,
    error: 'Too many secrets.',
    fieldErrors: { overlap: 'Please choose one of these times.' },
  }),
  sample('revoke', 'revoke', 'keys.revoke.title', revocation),
  sample('revoke-family', 'revoke', 'keys.revoke.title', { ...revocation, below: 3 }),
  sample('revoke-one', 'revoke', 'keys.revoke.title', { ...revocation, below: 1 }),
];
