//! The S-boxes as networks of gates, 44 to 62 each.
//!
//! They were found by a search of the kind that M. Kwan describes in "Reducing the Gate Count of Bitslice DES" (IACR ePrint 2000/051):
//! an output is made of one or two more gates if that is possible; or else it is split at one input into two functions of fewer, the
//! second of which only tells where the first is wrong. Chance tries orders of outputs and inputs until few gates remain.

use super::register::Register;

/// The four outputs of an S-box, the most significant first, as are its inputs.
#[inline(always)]
pub(super) fn outputs<const SBOX: usize, R: Register>(inputs: [R; 6]) -> [R; 4] {
    match SBOX {
        0 => first(inputs),
        1 => second(inputs),
        2 => third(inputs),
        3 => fourth(inputs),
        4 => fifth(inputs),
        5 => sixth(inputs),
        6 => seventh(inputs),
        7 => eighth(inputs),
        _ => unreachable!("there are eight"),
    }
}

macro_rules! network {
    (fn $name:ident($($input:ident),*); $($gate:ident = $of:expr,)* [$($output:ident),*]) => {
        #[inline(always)]
        fn $name<R: Register>([$($input),*]: [R; 6]) -> [R; 4] {
            $(let $gate = $of;)*
            [$($output),*]
        }
    };
}

network! {
    fn first(a, b, c, d, e, f);
        t1 = !b, t2 = f ^ e, t3 = t2 | b, t4 = t3 & !c, t5 = t4 ^ t1, t6 = t1 & !c, t7 = t6 ^ t2,
        t8 = t1 & !t7, t9 = t8 & f, t10 = t9 ^ t7, t11 = t10 & d, t12 = t11 ^ t5, t13 = f ^ b,
        t14 = t13 | t11, t15 = t14 ^ d, t16 = t15 ^ c, t17 = t16 & !e, t18 = t17 ^ t14, t19 = t10 & !t18,
        t20 = t19 & !c, t21 = t20 ^ t18, t22 = t21 & a, t23 = t22 ^ t12, t24 = t8 | c, t25 = t24 ^ t15,
        t26 = t24 ^ t12, t27 = t5 & !e, t28 = t27 ^ t26, t29 = t28 & !f, t30 = t29 ^ t25, t31 = t23 ^ e,
        t32 = t31 | t4, t33 = t31 & t12, t34 = t33 ^ c, t35 = t34 & !f, t36 = t35 ^ t32, t37 = t36 & a,
        t38 = t37 ^ t30, t39 = t36 & !d, t40 = t39 ^ t21, t41 = t38 & !t7, t42 = t41 | f, t43 = t42 & a,
        t44 = t43 ^ t40, t45 = t23 | t17, t46 = t45 & b, t47 = t46 ^ t14, t48 = t47 & c, t49 = t48 ^ t44,
        t50 = t25 | t11, t51 = t50 ^ t31, t52 = t3 & d, t53 = t52 & !f, t54 = t53 ^ t51, t55 = t26 & !t40,
        t56 = t55 ^ t23, t57 = t49 & t41, t58 = t57 ^ t2, t59 = t58 & b, t60 = t59 ^ t56, t61 = t60 & a,
        t62 = t61 ^ t54,
    [t62, t49, t23, t38]
}

network! {
    fn second(a, b, c, d, e, f);
        t1 = f ^ a, t2 = t1 ^ e, t3 = t2 | f, t4 = t3 & e, t5 = t4 & d, t6 = t5 ^ t2, t7 = t4 | d,
        t8 = e ^ b, t9 = t8 & !a, t10 = t9 ^ t7, t11 = t10 & b, t12 = t11 ^ t6, t13 = t9 | t1, t14 = !t1,
        t15 = t14 & !e, t16 = t15 ^ t13, t17 = t16 & !c, t18 = t17 ^ t12, t19 = t2 ^ b, t20 = t6 ^ a,
        t21 = t20 & !b, t22 = t21 ^ t19, t23 = t19 & t16, t24 = t23 ^ t14, t25 = t24 & !d, t26 = t25 ^ t22,
        t27 = t22 ^ t12, t28 = t27 ^ t2, t29 = d & !t19, t30 = t8 & e, t31 = t30 ^ t29, t32 = t31 & !a,
        t33 = t32 ^ t28, t34 = t33 & c, t35 = t34 ^ t26, t36 = t2 ^ d, t37 = t20 ^ t8, t38 = t37 & !c,
        t39 = t38 ^ t36, t40 = t38 ^ t16, t41 = t27 ^ c, t42 = t41 | t23, t43 = t42 & b, t44 = t43 ^ t40,
        t45 = t44 & !f, t46 = t45 ^ t39, t47 = t36 ^ t33, t48 = t33 ^ t24, t49 = t48 | t20, t50 = t49 & !f,
        t51 = t50 ^ t47, t52 = t41 & !t23, t53 = t44 ^ b, t54 = t53 & b, t55 = t54 ^ t52, t56 = t55 & c,
        t57 = t56 ^ t51,
    [t18, t46, t35, t57]
}

network! {
    fn third(a, b, c, d, e, f);
        t1 = c ^ a, t2 = t1 ^ f, t3 = d ^ c, t4 = t3 | a, t5 = t4 & !e, t6 = t5 ^ t2, t7 = a & !d,
        t8 = t7 & !f, t9 = t8 ^ t6, t10 = t9 ^ d, t11 = t10 & t2, t12 = t11 & a, t13 = t12 ^ b,
        t14 = t13 & b, t15 = t14 ^ t9, t16 = t2 ^ e, t17 = t16 ^ d, t18 = t6 & f, t19 = t18 & !a,
        t20 = t19 & !d, t21 = t20 ^ t17, t22 = !t4, t23 = t4 & c, t24 = t23 ^ t22, t25 = t10 & !f,
        t26 = t25 & e, t27 = t26 ^ t24, t28 = t27 & !b, t29 = t28 ^ t21, t30 = f & d, t31 = t30 ^ t16,
        t32 = t16 | t4, t33 = t30 & a, t34 = t33 ^ t32, t35 = t34 & b, t36 = t35 ^ t31, t37 = t29 | t23,
        t38 = t37 ^ t24, t39 = t37 & !d, t40 = t39 ^ t4, t41 = t40 & !f, t42 = t41 ^ t38, t43 = t42 & e,
        t44 = t43 ^ t36, t45 = t4 & !t36, t46 = t44 | t11, t47 = t46 ^ t1, t48 = t47 & !b, t49 = t48 ^ t45,
        t50 = t42 ^ t15, t51 = t50 & !t11, t52 = t48 | t19, t53 = t52 ^ c, t54 = t53 & !d, t55 = t54 ^ t51,
        t56 = t55 & !e, t57 = t56 ^ t49,
    [t29, t44, t57, t15]
}

network! {
    fn fourth(a, b, c, d, e, f);
        t1 = e | d, t2 = t1 ^ b, t3 = d & b, t4 = t3 ^ e, t5 = t4 & !c, t6 = t5 ^ t2, t7 = t5 ^ t1,
        t8 = t7 ^ t4, t9 = !c, t10 = t9 ^ t1, t11 = t10 & !b, t12 = t11 ^ t8, t13 = t12 & !a,
        t14 = t13 ^ t6, t15 = t11 ^ t9, t16 = t5 & d, t17 = t16 ^ t15, t18 = t2 & !t12, t19 = t11 | t7,
        t20 = t19 & !d, t21 = t20 ^ t18, t22 = t21 & a, t23 = t22 ^ t17, t24 = t23 & f, t25 = t24 ^ t14,
        t26 = t25 ^ f, t27 = t26 ^ t23, t28 = t13 ^ t4, t29 = t28 ^ a, t30 = d & !a, t31 = t23 & !t30,
        t32 = t31 & !b, t33 = t32 ^ t29, t34 = t33 ^ t14, t35 = t34 & d, t36 = t35 ^ t26, t37 = t33 ^ t27,
        t38 = t37 & b, t39 = t38 ^ t36, t40 = t39 & f, t41 = t40 ^ t33, t42 = t23 | b, t43 = t42 ^ t39,
        t44 = t43 & !f, t45 = t44 ^ t33,
    [t45, t41, t27, t25]
}

network! {
    fn fifth(a, b, c, d, e, f);
        t1 = d ^ a, t2 = c & !a, t3 = t2 & f, t4 = t3 ^ t1, t5 = t1 | c, t6 = t5 & !f, t7 = t6 & !d,
        t8 = t7 ^ c, t9 = t8 & e, t10 = t9 ^ t4, t11 = !t10, t12 = t11 ^ t8, t13 = t6 | a, t14 = t13 & d,
        t15 = t14 ^ t12, t16 = t13 | f, t17 = t16 ^ t15, t18 = t17 & e, t19 = t18 ^ t15, t20 = t19 & !b,
        t21 = t20 ^ t10, t22 = t12 ^ t5, t23 = t22 & !e, t24 = t23 ^ c, t25 = t24 & a, t26 = t25 ^ t17,
        t27 = t25 | e, t28 = t27 ^ t7, t29 = t28 & !f, t30 = t29 ^ t26, t31 = t29 ^ t25, t32 = t31 | t21,
        t33 = t32 ^ t28, t34 = t33 & t13, t35 = t34 & !e, t36 = t35 ^ t32, t37 = t36 & !b, t38 = t37 ^ t30,
        t39 = t7 | t2, t40 = t39 ^ t27, t41 = t15 | d, t42 = t41 & f, t43 = t42 ^ t40, t44 = t8 ^ a,
        t45 = t44 | d, t46 = t45 & !b, t47 = t46 ^ t43, t48 = t40 & t1, t49 = t48 ^ e, t50 = t48 ^ t22,
        t51 = t50 ^ t44, t52 = t51 & b, t53 = t52 ^ t49, t54 = t47 | t19, t55 = t54 ^ t44, t56 = t20 & !t40,
        t57 = t56 ^ t34, t58 = t57 & !a, t59 = t58 ^ t55, t60 = t59 & !f, t61 = t60 ^ t53,
    [t38, t47, t21, t61]
}

network! {
    fn sixth(a, b, c, d, e, f);
        t1 = d ^ a, t2 = t1 ^ e, t3 = c | a, t4 = t3 & !b, t5 = t4 ^ t2, t6 = d | a, t7 = t1 & !c,
        t8 = t7 & b, t9 = t8 ^ t6, t10 = t9 & !f, t11 = t10 ^ t5, t12 = t1 ^ c, t13 = t6 & !t12,
        t14 = t9 & !a, t15 = t14 & !t4, t16 = t15 & f, t17 = t16 ^ t13, t18 = t17 & !e, t19 = t18 ^ t11,
        t20 = t2 ^ c, t21 = t20 & !t7, t22 = !c, t23 = t22 & !b, t24 = t23 ^ t21, t25 = t4 | e,
        t26 = t25 | t20, t27 = t21 & !t17, t28 = t27 & d, t29 = t28 ^ t26, t30 = t29 & f, t31 = t30 ^ t24,
        t32 = t23 ^ t5, t33 = t29 ^ t19, t34 = t33 & !a, t35 = t34 ^ t32, t36 = t22 | b, t37 = t36 & !t9,
        t38 = t37 & !d, t39 = t38 ^ t35, t40 = t36 | t35, t41 = t20 & !t4, t42 = t41 ^ t35, t43 = t42 & d,
        t44 = t43 ^ t40, t45 = t44 & !f, t46 = t45 ^ t39, t47 = t25 & !t8, t48 = t47 ^ t20, t49 = t41 & e,
        t50 = t49 & d, t51 = t50 ^ t48, t52 = t24 | t19, t53 = t52 ^ t44, t54 = t18 | c, t55 = t54 ^ t31,
        t56 = t55 & !a, t57 = t56 ^ t53, t58 = t57 & f, t59 = t58 ^ t51,
    [t31, t46, t59, t19]
}

network! {
    fn seventh(a, b, c, d, e, f);
        t1 = e ^ d, t2 = t1 ^ c, t3 = d & !e, t4 = t3 ^ b, t5 = t4 & !c, t6 = t5 ^ t2, t7 = a ^ t6,
        t8 = t2 & a, t9 = t4 & !t8, t10 = t3 ^ f, t11 = t10 & !b, t12 = t11 ^ t9, t13 = t12 & f,
        t14 = t13 ^ t7, t15 = t9 ^ t7, t16 = t5 & !a, t17 = t16 ^ t8, t18 = t3 ^ t17, t19 = t18 & f,
        t20 = t19 ^ t15, t21 = f | a, t22 = t21 ^ d, t23 = t8 & e, t24 = t23 ^ t22, t25 = d & !t21,
        t26 = t25 & c, t27 = t26 ^ t24, t28 = t27 & !b, t29 = t28 ^ t20, t30 = t22 ^ t2, t31 = t9 & !b,
        t32 = t31 ^ t30, t33 = t14 | t8, t34 = t33 ^ t28, t35 = t34 & f, t36 = t35 ^ t32, t37 = t14 ^ t12,
        t38 = t37 ^ t30, t39 = t38 ^ b, t40 = t39 ^ t24, t41 = t40 & !c, t42 = t41 ^ t38, t43 = t42 & !d,
        t44 = t43 ^ t36, t45 = !c, t46 = t45 ^ t34, t47 = t20 ^ d, t48 = t47 & d, t49 = t48 ^ t46,
        t50 = t37 | t35, t51 = t50 ^ t19, t52 = t46 | t6, t53 = t52 ^ t36, t54 = t53 & !d, t55 = t54 ^ t51,
        t56 = t55 & a, t57 = t56 ^ t49,
    [t29, t57, t44, t14]
}

network! {
    fn eighth(a, b, c, d, e, f);
        t1 = d ^ b, t2 = t1 & b, t3 = t2 | a, t4 = t3 & !e, t5 = t4 ^ t1, t6 = t3 | b, t7 = t6 ^ e,
        t8 = t7 & !c, t9 = t8 ^ t5, t10 = !a, t11 = t7 ^ d, t12 = t1 & !b, t13 = t12 ^ e, t14 = t13 & c,
        t15 = t14 ^ t11, t16 = t15 & a, t17 = t16 ^ t10, t18 = t17 & !f, t19 = t18 ^ t9, t20 = t6 ^ c,
        t21 = t10 ^ t9, t22 = t21 & !e, t23 = t22 ^ t20, t24 = t21 ^ t4, t25 = t24 & b, t26 = t25 ^ t23,
        t27 = t11 & !t4, t28 = t27 ^ t23, t29 = t23 ^ t16, t30 = b & !t21, t31 = t30 & d, t32 = t31 ^ t29,
        t33 = t32 & !c, t34 = t33 ^ t28, t35 = t34 & f, t36 = t35 ^ t26, t37 = t23 ^ f, t38 = t34 & !t8,
        t39 = t38 ^ t16, t40 = t39 & !f, t41 = t40 ^ t37, t42 = t7 & !t38, t43 = t42 & !f, t44 = t43 ^ t24,
        t45 = t44 & b, t46 = t45 ^ t41, t47 = t21 ^ t7, t48 = t23 & !t4, t49 = t48 & !b, t50 = t49 ^ t47,
        t51 = t27 ^ t13, t52 = d | c, t53 = t52 ^ t17, t54 = t53 & b, t55 = t54 ^ t51, t56 = t55 & f,
        t57 = t56 ^ t50,
    [t46, t19, t57, t36]
}

#[cfg(test)]
mod tests {
    use super::super::tables::S;
    use super::outputs;

    /// Bit *n* of a word is what comes of input *n*: all 64 at once.
    #[test]
    fn every_network_is_the_table_of_the_standard() {
        check::<0>();
        check::<1>();
        check::<2>();
        check::<3>();
        check::<4>();
        check::<5>();
        check::<6>();
        check::<7>();
    }

    fn check<const SBOX: usize>() {
        let inputs: [u64; 6] =
            core::array::from_fn(|bit| (0..64).map(|input| (input >> (5 - bit) & 1) << input).sum());
        let outputs = outputs::<SBOX, u64>(inputs);
        for input in 0..64 {
            // The first and the last input name the row.
            let (row, column) = (input >> 5 << 1 | input & 1, input >> 1 & 15);
            let value = outputs.iter().fold(0, |value, output| value << 1 | (output >> input & 1) as u8);
            assert_eq!(value, S[SBOX][16 * row + column], "S{} of {input:06b}", SBOX + 1);
        }
    }
}
