//! Sums of numbers that anybody may have written: where they are too large, the largest there is, and never a small one.

use std::cmp::Ordering;

pub(crate) fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// How `part` compares with so many percent of `whole`.
pub(crate) fn share(part: u64, percent: u64, whole: u64) -> Ordering {
    (u128::from(part) * 100).cmp(&(u128::from(whole) * u128::from(percent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_stays_large() {
        assert_eq!(sum([1, 2, 3]), 6);
        assert_eq!(sum([u64::MAX, 1]), u64::MAX);
        assert!(share(40, 40, 100).is_eq() && share(41, 40, 100).is_gt());
        assert!(share(u64::MAX, 1, 1).is_gt() && share(1, u64::MAX, u64::MAX).is_lt());
    }
}
