// @ts-check
// People who look around, 10,000 requests a second at the top: k6 run -e BASE_URL=... tests/load/k6/browse.js
import { any, ask, thresholds as promises } from './lib/shop.js';

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    crowd: {
      executor: 'ramping-arrival-rate',
      startRate: 100,
      timeUnit: '1s',
      preAllocatedVUs: 500,
      maxVUs: 5000,
      stages: [
        { target: 10000, duration: '2m' },
        { target: 10000, duration: '5m' },
      ],
    },
  },
  thresholds: promises,
};

const PATHS = ['/products?page=1&limit=20', '/products?page=2&limit=20', '/categories', '/banners', '/products?search=tamato&page=1&limit=20'];

export default function () {
  const path = any(PATHS);
  ask('GET', path, { name: path.replace(/page=\d+&?/, '') });
}
