//! State that outlives a change of configuration: counters, windows, sessions.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// State by the identity of what it belongs to, for as long as somebody uses it.
///
/// A policy that is built anew asks for the state of its predecessor, which still serves, and shares it. When
/// the last service with a state is gone, so is the state. Clones share what is in it.
#[derive(Clone, Default)]
pub struct Stores(Arc<Mutex<States>>);

type States = HashMap<Box<str>, Weak<dyn Any + Send + Sync>>;

impl Stores {
    /// The state of this identity: that which is in use, if it is of this type, or a new one.
    pub fn state<T: Send + Sync + 'static>(
        &self,
        identity: &str,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = stores.get(identity).and_then(Weak::upgrade);
        if let Some(state) = used.and_then(|state| state.downcast::<T>().ok()) {
            return state;
        }
        stores.retain(|_, state| state.strong_count() > 0);
        let state = Arc::new(make());
        let erased: Arc<dyn Any + Send + Sync> = state.clone();
        stores.insert(identity.into(), Arc::downgrade(&erased));
        state
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Stores({})", stores.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_shared_while_it_is_used_and_gone_after_that() {
        let stores = Stores::default();
        let first = stores.state("a", || 1);
        assert_eq!(*stores.state("a", || 2), 1);
        assert_eq!(*stores.state("b", || 3), 3);
        drop(first);
        assert_eq!(*stores.state("a", || 4), 4);
        assert_eq!(format!("{stores:?}"), "Stores(1)");
    }

    #[test]
    fn state_of_another_type_is_not_taken_over() {
        let stores = Stores::default();
        let _number = stores.state("a", || 1_u8);
        assert_eq!(*stores.state("a", || "text"), "text");
    }
}
