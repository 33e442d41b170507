//! Routes that cannot be registered without proof of authorisation.
//!
//! [`Router::add`] takes a handler whose first argument is `Allowed<A>`; another does not compile.
//! Routes that anybody may call go through [`Router::add_public`], which is easy to search for.
//! A method that a path does not have is answered 405 with `Allow`, a path that is not there 404.

use crate::http::problem::Problem;
use crate::policy::{Action, Allowed};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder, Route};

/// A handler whose first argument is proof that `A` may be asked for.
pub trait Guarded<A: Action, Args>: Handler<Args> {}

macro_rules! guarded {
    ($($arg:ident)*) => {
        impl<A: Action, F, $($arg),*> Guarded<A, (Allowed<A>, $($arg,)*)> for F
        where
            F: Handler<(Allowed<A>, $($arg,)*)>,
        {}
    };
}
guarded!();
guarded!(T1);
guarded!(T1 T2);
guarded!(T1 T2 T3);
guarded!(T1 T2 T3 T4);
guarded!(T1 T2 T3 T4 T5);

/// Collects routes path by path.
#[derive(Default)]
pub struct Router {
    paths: Vec<(&'static str, Vec<(Method, Route)>)>,
}

impl Router {
    /// Adds a handler that carries proof of authorisation for `A`.
    ///
    /// ```compile_fail
    /// use buurtpoort::http::router::Router;
    /// async fn unguarded() -> &'static str { "no proof" }
    /// Router::default().add(actix_web::http::Method::GET, "/v1/x", unguarded);
    /// ```
    #[must_use]
    pub fn add<A, H, Args>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        A: Action,
        H: Guarded<A, Args>,
        Args: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.put(method, path, web::to(handler))
    }

    /// Adds a handler that anybody with a registered certificate may call.
    #[must_use]
    pub fn add_public<H, Args>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<Args>,
        Args: FromRequest + 'static,
        H::Output: Responder + 'static,
    {
        self.put(method, path, web::to(handler))
    }

    fn put(mut self, method: Method, path: &'static str, route: Route) -> Self {
        let route = route.method(method.clone());
        match self.paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, routes)) => routes.push((method, route)),
            None => self.paths.push((path, vec![(method, route)])),
        }
        self
    }

    /// Every path with its methods, so that tests can try them all.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, Vec<&Method>)> {
        self.paths.iter().map(|(path, routes)| (*path, routes.iter().map(|(of, _)| of).collect()))
    }

    /// Registers everything.
    pub fn configure(self, config: &mut ServiceConfig) {
        for (path, routes) in self.paths {
            let methods: Vec<&str> = routes.iter().map(|(method, _)| method.as_str()).collect();
            let allow = methods.join(", ");
            let resource = routes
                .into_iter()
                .fold(web::resource(path), |resource, (_, route)| resource.route(route));
            config.service(resource.default_service(web::to(move || {
                let allow = allow.clone();
                async move { Err::<&str, _>(Problem::MethodNotAllowed(allow)) }
            })));
        }
    }
}

/// Answers a path that is not there.
///
/// # Errors
/// Always [`Problem::NotFound`].
pub async fn nowhere() -> Result<&'static str, Problem> {
    Err(Problem::NotFound)
}
