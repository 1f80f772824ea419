//! One declaration for a struct on disk: its bytes, its size check and its table in FORMAT.md.

/// A field's row in FORMAT.md.
#[derive(Clone, Copy, Debug)]
pub struct FieldDoc {
    /// The name in code.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// Bytes of the field.
    pub size: usize,
    /// What it means.
    pub meaning: &'static str,
}

/// A struct on disk that can print itself.
pub trait Documented {
    /// The struct's name.
    const NAME: &'static str;
    /// What it is.
    const MEANING: &'static str;
    /// Its fields in order.
    const FIELDS: &'static [FieldDoc];
}

macro_rules! on_disk {
    (
        #[doc = $meaning:literal]
        pub struct $name:ident: $size:literal {
            $( #[doc = $field_meaning:literal] pub $field:ident: $type:ty, )+
        }
    ) => {
        #[doc = $meaning]
        #[derive(Clone, Copy, Debug, PartialEq, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable,
            zerocopy::KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $( #[doc = $field_meaning] pub $field: $type, )+
        }
        const _: () = assert!(size_of::<$name>() == $size);
        impl $crate::format::page::Documented for $name {
            const NAME: &'static str = stringify!($name);
            const MEANING: &'static str = $meaning;
            const FIELDS: &'static [$crate::format::page::FieldDoc] = &[
                $( $crate::format::page::FieldDoc {
                    name: stringify!($field),
                    offset: std::mem::offset_of!($name, $field),
                    size: size_of::<$type>(),
                    meaning: $field_meaning,
                }, )+
            ];
        }
    };
}
