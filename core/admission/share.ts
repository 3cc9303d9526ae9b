// What one worker may use of a cluster-wide limit while nobody coordinates: an equal share, and never nothing.

/**
 * @param limit connections of the lane over all workers
 * @param workers workers last seen, this one included; less than 1 counts as 1
 */
export const localShare = (limit: number, workers: number): number =>
  Math.max(1, Math.floor(limit / Math.max(1, workers)))
