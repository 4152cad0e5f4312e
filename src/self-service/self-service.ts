// The account pages: their frame, and what belongs to no other feature.
export { createAccountArea } from './area.ts';
